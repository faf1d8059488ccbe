import { messageOf, RemoteError, type Clock } from '../lib/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { isTokenRefusal } from './retry.ts';

/** Asking for work, or reporting it. One may work while the other does not. */
type Direction = 'poll' | 'report';

/** A failure that goes on is mentioned again after this long, milliseconds. */
const reminderMs = 5 * 60_000;

/**
 * A runner that the server does not know is believed to be gone after so long, milliseconds, and so many answers: servers
 * say the same while their database is away.
 */
const unknownForMs = 30_000;
const unknownTimes = 3;

/**
 * Tells the state of the connection in a few lines: one when it breaks or breaks in another way, one every five minutes
 * while it stays so, one when it is back in both directions. Never one a second. And decides when a token is refused for
 * good:
 *
 *     trusted ──401, 403──────────────────────────────────────────▶ refused
 *        └──404 "Runner not found"──▶ doubted ──30 s without success──▶┘
 *        ◀──────────any success──────────┘
 */
export class ConnectionLog {
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #failing = new Set<Direction>();
  readonly #refused = new AbortController();
  #since: number | undefined;
  #said = '';
  #saidAt = 0;
  #doubt: { since: number; times: number } | undefined;

  constructor(logger: Logger, clock: Pick<Clock, 'now'>) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Aborted when the server has refused the token for good: this process can deliver nothing any more. */
  get refused(): AbortSignal {
    return this.#refused.signal;
  }

  failed(direction: Direction, error: unknown): void {
    const now = this.#clock.now();
    this.#failing.add(direction);
    this.#since ??= now;
    if (this.#isFinal(error, now)) {
      this.#refuse(error);
      return;
    }
    const text = messageOf(error);
    if (this.#refused.signal.aborted || (text === this.#said && now - this.#saidAt < reminderMs)) return;
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
    this.#doubt = undefined;
    if (this.#since === undefined || this.#failing.size > 0) return;
    const seconds = Math.round((this.#clock.now() - this.#since) / 1000);
    this.#logger.info('Connection to the server is back', { after_seconds: seconds });
    this.#since = undefined;
    this.#said = '';
  }

  #isFinal(error: unknown, now: number): error is RemoteError {
    if (!isTokenRefusal(error)) return false;
    if (error.kind === 'unauthorized') return true;
    this.#doubt ??= { since: now, times: 0 };
    this.#doubt.times += 1;
    return this.#doubt.times >= unknownTimes && now - this.#doubt.since >= unknownForMs;
  }

  #refuse(error: RemoteError): void {
    if (this.#refused.signal.aborted) return;
    this.#logger.error(
      'The server has refused the token of this runner for good; what runs is finished and its results are kept',
      {
        error: error.message,
        hint: error.hint,
      },
    );
    this.#refused.abort();
  }
}
