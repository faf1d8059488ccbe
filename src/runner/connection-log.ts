import { messageOf, RemoteError, type Clock } from '../lib/index.ts';
import type { Logger } from '../telemetry/index.ts';

/** Asking for work, or reporting it. One may work while the other does not. */
type Direction = 'poll' | 'report';

/** A failure that goes on is mentioned again after this long, milliseconds. */
const reminderMs = 5 * 60_000;

/**
 * Tells the state of the connection in a few lines: one when it breaks or breaks in another way, one every five minutes
 * while it stays so, one when it is back in both directions. Never one a second.
 */
export class ConnectionLog {
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #failing = new Set<Direction>();
  #since: number | undefined;
  #said = '';
  #saidAt = 0;

  constructor(logger: Logger, clock: Pick<Clock, 'now'>) {
    this.#logger = logger;
    this.#clock = clock;
  }

  failed(direction: Direction, error: unknown): void {
    const now = this.#clock.now();
    this.#failing.add(direction);
    this.#since ??= now;
    const text = messageOf(error);
    if (text === this.#said && now - this.#saidAt < reminderMs) return;
    this.#said = text;
    this.#saidAt = now;
    const hint = error instanceof RemoteError ? error.hint : undefined;
    this.#logger.error('Cannot talk to the server; retrying, nothing is lost', {
      error: text,
      ...(hint === undefined ? {} : { hint }),
      ...(now > this.#since ? { failing_for_seconds: Math.round((now - this.#since) / 1000) } : {}),
    });
  }

  succeeded(direction: Direction): void {
    this.#failing.delete(direction);
    if (this.#since === undefined || this.#failing.size > 0) return;
    const seconds = Math.round((this.#clock.now() - this.#since) / 1000);
    this.#logger.info('Connection to the server is back', { after_seconds: seconds });
    this.#since = undefined;
    this.#said = '';
  }
}
