import { retryAfterMs } from '../../http/index.ts';
import { RemoteError, type RemoteErrorKind } from '../../lib/index.ts';
import type { KubernetesConnection } from './connection.ts';
import type { ApiAnswer } from './request.ts';

/** What was to be done, in the words of RBAC. */
export interface ApiAction {
  verb: 'create' | 'delete' | 'get' | 'list' | 'patch' | 'watch';
  /** `pods`, `pods/exec`, `secrets`, … */
  resource: string;
  namespace: string;
}

/** The refusal of an API server as an error: its own message, and what helps. */
export function answerFailure(
  answer: Pick<ApiAnswer, 'status' | 'headers' | 'body'>,
  { server, source }: Pick<KubernetesConnection, 'server' | 'source'>,
  action: ApiAction,
): RemoteError {
  const { status } = answer;
  const message = messageIn(answer);
  const retryAfter = retryAfterMs(answer);
  const hint = hintFor(status, message, action, source);
  return new RemoteError(textFor(status, message, server, action), {
    kind: kindFor(status, message),
    endpoint: `${action.verb} ${action.resource} in ${action.namespace} at ${server}`,
    status,
    retryable: isPassing(status),
    ...(retryAfter !== undefined && { retryAfterMs: retryAfter }),
    ...(hint !== undefined && { hint }),
  });
}

/** Whether the same request may succeed a little later. 504 and 500 come from an API server whose storage is busy, too. */
export function isPassing(status: number): boolean {
  return status === 429 || status >= 500;
}

function textFor(status: number, message: string, server: string, { verb, resource, namespace }: ApiAction): string {
  if (status === 401) return `the Kubernetes API server ${server} does not accept the credentials`;
  if (message !== '') return message;
  return `the Kubernetes API server ${server} answered ${status} to ${verb} ${resource} in namespace ${namespace}`;
}

function kindFor(status: number, message: string): RemoteErrorKind {
  if (status === 401 || (status === 403 && isMissingRight(message))) return 'unauthorized';
  if (status === 404) return 'not_found';
  if (status === 413) return 'too_large';
  return status === 429 || status === 503 ? 'busy' : 'rejected';
}

function hintFor(status: number, message: string, action: ApiAction, source: string): string | undefined {
  if (status === 401) return `They come from ${source}; log in again, or renew the token or certificate there.`;
  if (status === 403 && isMissingRight(message)) {
    const { verb, resource, namespace } = action;
    return `A Role in namespace ${namespace} must allow it: apiGroups [""], resources ["${resource}"], verbs ["${verb}"].`;
  }
  if (status === 403 && /exceeded quota|maximum |limits? /.test(message)) {
    return 'A ResourceQuota or LimitRange of the namespace does not allow it.';
  }
  if (/violates PodSecurity|admission webhook|denied the request/.test(message)) {
    return 'A policy of the cluster does not allow it.';
  }
  if (status === 404 && message.startsWith('namespaces ')) return 'Create the namespace, or name another one.';
  return undefined;
}

/** RBAC says who cannot do what; quotas and policies, which are 403 as well, say something else. */
function isMissingRight(message: string): boolean {
  return message === '' || /cannot \w+ resource|cannot \w+ \w+/.test(message);
}

/** That of a `Status` object, or, from proxies in between and for WebSockets, the text itself. */
function messageIn({ body }: Pick<ApiAnswer, 'body'>): string {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null) {
      return 'message' in value && typeof value.message === 'string' ? value.message : '';
    }
  } catch {
    // Not JSON.
  }
  const text = body.trim();
  return text.startsWith('<') ? '' : text.slice(0, 500);
}
