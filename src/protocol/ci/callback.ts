import type { HttpTransport } from '../../http/index.ts';
import { call } from './call.ts';
import { refusal } from './refusal.ts';
import type { JobResult } from './sync.ts';

export interface Callback {
  url: string;
  /** `callbacks.token` of the job request; "" for none. */
  token: string;
  /** As `finishedBody` gives it, or `{}` for the end of the teardown. */
  body: string;
  userAgent: string;
  signal?: AbortSignal | undefined;
}

/** The body of the `finished` callback, byte for byte (spec CI 5.11). */
export function finishedBody(result: JobResult): string {
  return `{"result": "${result}"}`;
}

/** POST of a callback (spec CI 5.11). Any 2xx is success. Throws RemoteError. */
export async function postCallback(transport: HttpTransport, callback: Callback): Promise<void> {
  const { url, token, body, userAgent, signal } = callback;
  const { response, asked } = await call(transport, {
    method: 'POST',
    url,
    what: 'callback',
    token: 'callback token',
    secret: token,
    userAgent,
    authorization: token === '' ? undefined : `Bearer ${token}`,
    body,
    signal,
  });
  if (response.status < 200 || response.status >= 300) throw refusal(response, asked);
}
