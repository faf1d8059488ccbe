import type { ServerResponse } from 'node:http';
import { resourceTypes, subresources } from '../objects/resources.ts';
import { sendJson, type Cluster } from './context.ts';
import { openApiDocument, openApiIndex } from './openapi.ts';
import type { PathRequest } from './request-info.ts';
import { noSuchPath } from './status.ts';

const reviewGroup = {
  name: 'authorization.k8s.io',
  versions: [{ groupVersion: 'authorization.k8s.io/v1', version: 'v1' }],
  preferredVersion: { groupVersion: 'authorization.k8s.io/v1', version: 'v1' },
};

/** What there is: the paths that say which version this is and which resources it has. */
export function answerPath(cluster: Cluster, { path, verb }: PathRequest, response: ServerResponse): void {
  if (verb !== 'get') throw noSuchPath();
  if (/^\/(healthz|livez|readyz)/.test(path)) {
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
    response.end('ok');
    return;
  }
  const body = documentAt(cluster, path.replace(/\/$/, ''));
  if (body === undefined) throw noSuchPath();
  sendJson(response, 200, body);
}

function documentAt(cluster: Cluster, path: string): unknown {
  switch (path) {
    case '/version':
      return versionOf(cluster);
    case '/api':
      return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
    case '/apis':
      return { kind: 'APIGroupList', apiVersion: 'v1', groups: [reviewGroup] };
    case '/apis/authorization.k8s.io':
      return { kind: 'APIGroup', apiVersion: 'v1', ...reviewGroup };
    case '/api/v1':
      return resourceList('v1', '');
    case '/apis/authorization.k8s.io/v1':
      return resourceList('authorization.k8s.io/v1', 'authorization.k8s.io');
    case '/openapi/v3':
      return openApiIndex;
    case '/openapi/v3/api/v1':
      return openApiDocument();
    default:
      return undefined;
  }
}

function versionOf({ version }: Cluster): unknown {
  const [, major = '1', minor = '0'] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  return { major, minor, gitVersion: version, gitCommit: 'stand-in', gitTreeState: 'clean', platform: 'linux/amd64' };
}

function resourceList(groupVersion: string, group: string): unknown {
  const types = resourceTypes.filter((type) => type.group === group);
  const resources = types.flatMap((type) => [
    {
      name: type.plural,
      singularName: type.singular,
      namespaced: type.namespaced,
      kind: type.kind,
      verbs: type.verbs,
      shortNames: type.shortNames,
      ...(type.plural === 'pods' && { categories: ['all'] }),
    },
    ...subresources
      .filter(({ name }) => name.startsWith(`${type.plural}/`))
      .map(({ name, kind, verbs }) => ({ name, singularName: '', namespaced: true, kind, verbs })),
  ]);
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources };
}
