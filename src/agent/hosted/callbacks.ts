import type { HttpTransport } from '../../http/index.ts';
import { type Clock, RemoteError } from '../../lib/index.ts';
import { finishedBody, type JobRequest, postCallback } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { retry } from '../listener/retry.ts';
import type { HostedTeardown } from './types.ts';

/** Between two attempts, milliseconds. */
const waitMs = 1000;

export interface CallbackOptions {
  callbacks: JobRequest['callbacks'];
  transport: HttpTransport;
  userAgent: string;
  /** Of each callback (spec CI 5.11): 300 of `agent serve` when nothing else is asked for, 60 of `agent run`. */
  attempts: number;
  clock: Clock;
  /** Aborted when there is no time for further attempts. */
  giveUp: AbortSignal;
  logger: Logger;
}

/**
 * The callbacks at the end of a job that is not self-hosted (spec CI 5.11). Each is tried until it is answered with 2xx, whatever the
 * failure; it rejects with the last one. A URL that is empty or is none cannot be called: that is said once, instead of after all
 * attempts.
 */
export function createCallbacks(options: CallbackOptions): Pick<HostedTeardown, 'finished' | 'teardownFinished'> {
  const { finished, teardownFinished } = options.callbacks;
  return {
    finished: (result) => call('finished', finished, finishedBody(result), options),
    teardownFinished: () => call('teardown_finished', teardownFinished, '{}', options),
  };
}

async function call(name: string, url: string, body: string, options: CallbackOptions): Promise<void> {
  const { callbacks, transport, userAgent, attempts, clock, giveUp, logger } = options;
  if (url === '') {
    logger.warn('The job names no URL for a callback', { callback: name });
    return;
  }
  const isFinal = (error: unknown): boolean => error instanceof RemoteError && !URL.canParse(url);
  const trying = { attempts, waitMs, clock, signal: giveUp, isFinal, what: `callback ${name}`, logger };
  await retry(trying, () => postCallback(transport, { url, token: callbacks.token, body, userAgent, signal: giveUp }));
  logger.info('A callback was delivered', { callback: name });
}
