import { type Clock, messageOf, RemoteError } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';

export interface RetryOptions {
  attempts: number;
  /** Between two attempts, milliseconds: always the same (spec CI 2.8). */
  waitMs: number;
  clock: Clock;
  /** Ends the waiting; what is under way is up to `attempt`. */
  signal: AbortSignal;
  /** Errors that further attempts cannot mend. */
  isFinal?: (error: unknown) => boolean;
  /** For the log: "registration". */
  what: string;
  logger: Logger;
}

/** Tries until it succeeds. Throws the last error, or the signal's reason. */
export async function retry<Result>(options: RetryOptions, attempt: () => Promise<Result>): Promise<Result> {
  const { attempts, waitMs, clock, signal, isFinal, what, logger } = options;
  for (let count = 1; ; count += 1) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error: unknown) {
      if (!(error instanceof RemoteError) || isFinal?.(error) || count >= attempts) throw error;
      logger.warn('A request failed and is tried again', {
        what,
        attempt: `${count}/${attempts}`,
        ...failureFields(error),
      });
    }
    await clock.sleep(waitMs, signal);
  }
}

/** What the log says of a failure. */
export function failureFields(error: unknown): Record<string, string> {
  const hint = error instanceof RemoteError ? error.hint : undefined;
  return { error: messageOf(error), ...(hint === undefined ? {} : { hint }) };
}
