import * as http from 'node:http';
import * as https from 'node:https';
import { type KubernetesConnection, requestSettings } from './connection.ts';
import { connectionFailure } from './connection-failure.ts';

export interface ApiRequest {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Begins with `/api`. */
  path: string;
  query?: Readonly<Record<string, string>>;
  /** Sent as JSON; of PATCH, as what is to be merged. */
  body?: unknown;
  /** For the whole exchange, milliseconds. @default 30_000 */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

export interface ApiAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
}

const usualTimeoutMs = 30_000;
/** A longer answer is cut: no object that we ask for is as long. */
const maxAnswerBytes = 64 * 1024 * 1024;

/** One exchange with the API server, whatever its status. Throws RemoteError when there was no complete answer, or the signal's reason. */
export async function exchange(connection: KubernetesConnection, request: ApiRequest): Promise<ApiAnswer> {
  const { timeoutMs = usualTimeoutMs, signal } = request;
  const timeout = AbortSignal.timeout(timeoutMs);
  const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
  try {
    const response = await openAnswer(connection, { ...request, signal: either });
    let body = '';
    for await (const chunk of response.setEncoding('utf8')) {
      body += String(chunk);
      if (body.length > maxAnswerBytes) break;
    }
    return { status: response.statusCode ?? 0, headers: plainHeaders(response), body };
  } catch (error: unknown) {
    signal?.throwIfAborted();
    throw connectionFailure(error, connection, { ...request, ...(timeout.aborted && { timeoutMs }) });
  }
}

/** Resolves when the answer begins. Rejects with the system's error. */
export async function openAnswer(connection: KubernetesConnection, request: ApiRequest): Promise<http.IncomingMessage> {
  const { headers, agent } = await requestSettings(connection);
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  return await new Promise((resolve, reject) => {
    const { request: start } = connection.server.startsWith('https:') ? https : http;
    const call = start(
      urlOf(connection, request),
      {
        method: request.method,
        agent,
        headers: {
          accept: 'application/json',
          ...headers,
          ...(body !== undefined && {
            'content-type': request.method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
            'content-length': Buffer.byteLength(body),
          }),
        },
        ...(request.signal && { signal: request.signal }),
      },
      (response) => {
        // An error that comes when nobody reads any more would end the program.
        response.on('error', () => undefined);
        if (response.statusCode === 401) connection.tokenFile?.forget();
        resolve(response);
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

function urlOf({ server }: KubernetesConnection, { path, query = {} }: ApiRequest): URL {
  const url = new URL(`${server}${path}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

function plainHeaders({ headers }: http.IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
