import { type HttpTransport, shownUrl } from '../../http/index.ts';
import { serverUrl } from './endpoint.ts';
import { type Asked, kindOfBody, notSemaphore, refusal } from './refusal.ts';

export interface ProbeOptions {
  transport: HttpTransport;
  webHost: string;
  timeoutMs: number;
}

/**
 * Is there a Semaphore UI server at this URL? Resolves when it answers `GET /api/ping` with "pong"; otherwise throws RemoteError that tells
 * what is there instead, or UserError when `webHost` is no URL.
 */
export async function probeServer(options: ProbeOptions, signal?: AbortSignal): Promise<void> {
  const url = serverUrl(options.webHost, '/api/ping');
  const response = await options.transport.request({
    method: 'GET',
    url,
    headers: {},
    timeoutMs: options.timeoutMs,
    maxResponseBytes: 64 * 1024,
    ...(signal ? { signal } : {}),
  });
  if (response.status === 200 && response.body.toString('utf8').trim() === 'pong') return;
  const asked: Asked = {
    endpoint: `GET ${shownUrl(url)}`,
    url,
    what: 'question whether it is there',
    token: 'none',
    scrub: (text) => text,
  };
  const { status } = response;
  if (status === 200) throw notSemaphore(response, asked, kindOfBody(response));
  if (status === 401 || status === 403 || status === 404) throw notSemaphore(response, asked, `the status ${status}`);
  throw refusal(response, asked);
}
