import type { KubeObject } from '../objects/types.ts';
import { allows } from './accounts.ts';
import { readBody } from './body.ts';
import { sendJson, type Call } from './context.ts';
import { badRequest } from './status.ts';

interface ReviewSpec {
  resourceAttributes?: {
    verb?: string;
    group?: string;
    resource?: string;
    subresource?: string;
    namespace?: string;
    name?: string;
  };
}

/** SelfSubjectAccessReview: may I? */
export async function reviewAccess({ account, request, response }: Call): Promise<void> {
  const review = (await readBody(request)) as KubeObject | undefined;
  const { resourceAttributes: asked } = (review?.spec ?? {}) as ReviewSpec;
  if (!asked) throw badRequest('spec.resourceAttributes: the stand-in reviews nothing else');
  const { verb = '', group = '', resource = '', subresource = '', namespace = '', name = '' } = asked;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const allowed = allows(account, { verb, group, resource: full, namespace, name });
  sendJson(response, 201, {
    kind: 'SelfSubjectAccessReview',
    apiVersion: 'authorization.k8s.io/v1',
    metadata: {},
    spec: review?.spec,
    status: { allowed },
  });
}
