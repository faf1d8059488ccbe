import { Backoff, messageOf, UserError, type Clock } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';

const longestRetryMs = 300_000;

export interface PersistenceOptions {
  clock: Clock;
  logger: Logger;
  /** Least time between two attempts, milliseconds; it grows up to five minutes. */
  retryMs: number;
}

/** What the log says of some work. */
export interface WorkWords {
  failed: string;
  /** After it had failed first. */
  done: string;
  fields: Readonly<Record<string, string | number>>;
}

/** Does what must be done in the end: again and again, until it succeeds or the runner ends. */
export class Persistence {
  readonly #options: PersistenceOptions;
  readonly #closed = new AbortController();

  constructor(options: PersistenceOptions) {
    this.#options = options;
  }

  /** Resolves after the first attempt; those that follow are made in the background. Never rejects. */
  async run(work: () => Promise<void>, words: WorkWords): Promise<void> {
    const error = await attempt(work);
    if (error === undefined) return;
    const hint = error instanceof UserError && error.hint !== undefined ? { hint: error.hint } : {};
    this.#options.logger.error(words.failed, { ...words.fields, error: messageOf(error), ...hint });
    void this.#again(work, words);
  }

  close(): void {
    this.#closed.abort();
  }

  async #again(work: () => Promise<void>, { done, fields }: WorkWords): Promise<void> {
    const { clock, logger, retryMs } = this.#options;
    const backoff = new Backoff({ initialMs: retryMs, maxMs: longestRetryMs }, clock);
    for (;;) {
      try {
        await clock.sleep(backoff.next(), this.#closed.signal);
      } catch {
        return; // The runner ends; the next one begins with what is left.
      }
      if ((await attempt(work)) === undefined) break;
    }
    logger.info(done, fields);
  }
}

/** What the work failed with. */
async function attempt(work: () => Promise<void>): Promise<unknown> {
  try {
    await work();
    return undefined;
  } catch (error: unknown) {
    return error ?? new Error('unknown');
  }
}
