import type { HttpTransport } from '../../http/index.ts';
import { call } from './call.ts';
import { refusal } from './refusal.ts';

/** More lines than this in one request are refused with 413 (spec CI 7.4). */
export const maxLogLines = 2000;

export interface LogPush {
  /** `logger.url` of the job request, to which the query is appended as it is. */
  url: string;
  token: string;
  /** 0-based index of the first line in `body`. */
  startFrom: number;
  /** Whole lines, each with its newline; at most `maxLogLines`. */
  body: string | Buffer;
  userAgent: string;
  signal?: AbortSignal | undefined;
}

/**
 * POST of job log lines (spec CI 7.4). Exactly 200 is success; the lines are then the server's and must not be sent again. Throws
 * RemoteError: `status` 401 asks for a new token, 422 says that the log is as long as the server lets it be.
 */
export async function pushLog(transport: HttpTransport, push: LogPush): Promise<void> {
  const { response, asked } = await call(transport, {
    method: 'POST',
    url: push.url === '' ? '' : `${push.url}?start_from=${push.startFrom}`,
    what: 'job log',
    token: 'log token',
    secret: push.token,
    userAgent: push.userAgent,
    authorization: `Bearer ${push.token}`,
    contentType: 'text/plain',
    body: push.body,
    signal: push.signal,
  });
  if (response.status !== 200) throw refusal(response, asked);
}
