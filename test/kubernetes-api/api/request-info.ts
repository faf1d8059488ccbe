import type { IncomingMessage } from 'node:http';
import { resourceTypes, type ResourceType } from '../objects/resources.ts';
import { selectedName } from '../objects/selectors.ts';

/** What a request is about, as authorization sees it. */
export interface ResourceRequest {
  kind: 'resource';
  /** get, list, watch, create, update, patch, delete, deletecollection. */
  verb: string;
  /** Undefined for a resource that the stand-in does not have: it is refused or 404, as in the API. */
  type: ResourceType | undefined;
  group: string;
  plural: string;
  subresource: string;
  /** Empty for requests about all namespaces, or about what has none. */
  namespace: string;
  /** Empty for requests about many objects. */
  name: string;
  query: URLSearchParams;
}

export interface PathRequest {
  kind: 'path';
  verb: string;
  path: string;
  query: URLSearchParams;
}

export type RequestInfo = ResourceRequest | PathRequest;

export function requestInfo(request: Pick<IncomingMessage, 'method' | 'url'>): RequestInfo {
  const url = new URL(request.url ?? '/', 'https://stand-in');
  const method = request.method ?? 'GET';
  const query = url.searchParams;
  const parts = url.pathname
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent);
  const group = parts[0] === 'apis' ? parts[1] : '';
  const rest = parts[0] === 'api' ? parts.slice(2) : parts[0] === 'apis' ? parts.slice(3) : [];
  if (group === undefined || rest.length === 0) {
    return { kind: 'path', verb: method.toLowerCase(), path: url.pathname, query };
  }
  const inNamespace = rest[0] === 'namespaces' && rest.length > 2;
  const [plural = '', given = '', subresource = ''] = inNamespace ? rest.slice(2) : rest;
  const type = resourceTypes.find((known) => known.plural === plural && known.group === group);
  const many = given === '';
  const name = many ? selectedName(query) : given;
  const namespace = inNamespace ? (rest[1] ?? '') : plural === 'namespaces' ? given : '';
  return {
    kind: 'resource',
    verb: verbOf(method, many, query),
    type,
    group,
    plural,
    subresource,
    namespace,
    name,
    query,
  };
}

function verbOf(method: string, many: boolean, query: URLSearchParams): string {
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return many ? 'deletecollection' : 'delete';
    default:
      if (!many) return 'get';
      return ['true', '1'].includes(query.get('watch') ?? '') ? 'watch' : 'list';
  }
}
