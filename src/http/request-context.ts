import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { readBody } from './request-body.ts';
import { RefusedRequest, type Reply } from './reply.ts';
import { segmentsOf } from './route-table.ts';

/** One request, as a handler sees it. */
export interface RequestContext {
  readonly method: string;
  /** Path without query, repeated slashes collapsed, percent-encoding as received. */
  readonly path: string;
  /** Values of the pattern's `:name` segments, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string | undefined;
  /** The whole body. Throws RefusedRequest 413 or 400. */
  body(): Promise<Buffer>;
  /** The body as JSON, whatever the content type; undefined when it is empty. Throws RefusedRequest 400. */
  json(): Promise<unknown>;
}

/** Decides whether a request may go on: undefined lets it pass, a reply refuses it. Runs before the body is read. */
export type Guard = (context: RequestContext) => Reply | undefined | Promise<Reply | undefined>;

export interface Target {
  segments: readonly string[];
  path: string;
  query: URLSearchParams;
}

/** Path and query of a request line; undefined when it is not a path (an absolute URL is accepted as proxies send it). */
export function targetOf(requestUrl: string): Target | undefined {
  const [, rest = requestUrl] = /^https?:\/\/[^/]*(\/.*)$/i.exec(requestUrl) ?? [];
  if (!rest.startsWith('/')) return undefined;
  const mark = rest.indexOf('?');
  const encoded = segmentsOf(mark === -1 ? rest : rest.slice(0, mark));
  const query = new URLSearchParams(mark === -1 ? '' : rest.slice(mark + 1));
  try {
    return { segments: encoded.map(decodeURIComponent), path: `/${encoded.join('/')}`, query };
  } catch {
    return undefined;
  }
}

export function createContext(
  request: IncomingMessage,
  target: Target,
  params: Readonly<Record<string, string>>,
  maxBodyBytes: number,
): RequestContext {
  let body: Promise<Buffer> | undefined;
  const readOnce = (): Promise<Buffer> => (body ??= readBody(request, maxBodyBytes));
  return {
    method: request.method ?? 'GET',
    path: target.path,
    params,
    query: target.query,
    headers: request.headers,
    remoteAddress: request.socket.remoteAddress,
    body: readOnce,
    json: async () => parseJson((await readOnce()).toString('utf8')),
  };
}

function parseJson(body: string): unknown {
  if (body.trim() === '') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    // The parser's own text quotes the body, which may hold a token.
    throw new RefusedRequest(400, 'Invalid format');
  }
}

/** The token of `Authorization: Bearer …`. */
export function bearerToken(headers: IncomingHttpHeaders): string | undefined {
  return /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
}
