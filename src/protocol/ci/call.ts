import { type HttpRequest, type HttpResponse, type HttpTransport, shownUrl } from '../../http/index.ts';
import { RemoteError } from '../../lib/index.ts';
import type { Asked } from './refusal.ts';

/** For each whole exchange (spec CI 2.1). */
const TIMEOUT_MS = 30_000;
/** An answer that is no job: a token, an action, a word. */
const MAX_ANSWER_BYTES = 1024 * 1024;

export interface Call extends Omit<Asked, 'endpoint'> {
  method: HttpRequest['method'];
  userAgent: string;
  /** The whole header; none when undefined. */
  authorization: string | undefined;
  /** The original sends none but for logs; servers read the body whatever its type. */
  contentType?: string;
  body?: string | Buffer;
  maxResponseBytes?: number;
  signal?: AbortSignal | undefined;
}

/** `User-Agent` of everything the agent asks for (spec CI 1.10). */
export function userAgentOf(version: string): string {
  return `SemaphoreAgent/${version}`;
}

/** One request and its answer, whatever the status. Throws RemoteError when no complete answer came, or the URL is none. */
export async function call(transport: HttpTransport, asking: Call): Promise<{ response: HttpResponse; asked: Asked }> {
  const { method, url, what, token, secret, userAgent, authorization, contentType, body, signal } = asking;
  const asked: Asked = { endpoint: `${method} ${shownUrl(url)}`, url, what, token, secret };
  if (!URL.canParse(url)) {
    throw new RemoteError(`the URL for the ${what} is not a URL: ${url === '' ? '(empty)' : shownUrl(url)}`, {
      kind: 'malformed',
      endpoint: asked.endpoint,
      retryable: false,
    });
  }
  const response = await transport.request({
    method,
    url,
    headers: {
      'user-agent': userAgent,
      ...(authorization === undefined ? {} : { authorization }),
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
    },
    timeoutMs: TIMEOUT_MS,
    maxResponseBytes: asking.maxResponseBytes ?? MAX_ANSWER_BYTES,
    ...(body === undefined ? {} : { body }),
    ...(signal ? { signal } : {}),
  });
  return { response, asked };
}
