import { Backoff, type Clock, RemoteError } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { failureFields } from '../listener/retry.ts';
import { Wake } from '../listener/wake.ts';
import { BatchSender, type BatchSenderOptions, mostBytes } from './batch-sender.ts';
import type { Spool } from './spool.ts';
import type { Cursor } from './whole-lines.ts';

export interface LogPusherOptions extends BatchSenderOptions {
  spool: Pick<Spool, 'batch' | 'end'>;
  /** The lines before are the server's already. */
  from: Cursor;
  onAcknowledged: (cursor: Cursor) => void;
  /** How long the last lines are tried for without a single success, milliseconds. @default 10 minutes */
  patienceMs?: number | undefined;
  clock: Clock;
  logger: Logger;
}

/** How a log has ended. */
export type Delivery =
  | { kind: 'delivered' }
  /** The server has had enough of it. */
  | { kind: 'full' }
  /** `isFinal`: nobody will be able to deliver the rest. */
  | { kind: 'undelivered'; why: string; isFinal: boolean };

/** Between two requests while lines trickle in; the original's agents take 1.5 to 3 s (spec CI 2.8). */
const gapMs = 1000;
/** What comes shortly after a line goes with it. */
const gatherMs = 100;
/** So much does not wait. */
const muchBytes = mostBytes / 2;
const muchLines = 1000;
/** A refusal of a token may be a server that is being replaced. */
const refusals = 3;
const maxRetryAfterMs = 5 * 60_000;
/** Sleeps are cut short by what is waited for. */
const longMs = 3_600_000;

/**
 * Pushes the lines of a spool to the server (spec CI 7.4), one request at a time, from the moment it is made.
 *
 *     idle       everything is sent; the next line wakes it
 *     gathering  lines wait until 100 ms after the first of them and 1 s after the last request, or until there are many
 *     sending    a request is under way
 *     retrying   it failed; the same lines again after a growing pause, or after what the server asked for (Retry-After)
 *
 * `finish` ends idling and gathering at once, and one pause. The end is a Delivery: everything was sent; the server has had enough; or
 * nothing could be sent for too long after `finish`, the server does not take the token of this log any more, or `signal` was aborted.
 */
export class LogPusher {
  readonly #options: LogPusherOptions;
  readonly #sender: BatchSender;
  readonly #backoff: Backoff;
  readonly #wake = new Wake();
  readonly #done: Promise<Delivery>;
  #state: 'idle' | 'gathering' | 'sending' | 'retrying' = 'idle';
  #cursor: Cursor;
  #sentAt = Number.NEGATIVE_INFINITY;
  /** Since when lines that nobody adds to are tried in vain; undefined before `finish`. */
  #tryingSince: number | undefined;
  #refusals = 0;

  constructor(options: LogPusherOptions) {
    this.#options = options;
    this.#sender = new BatchSender(options);
    this.#backoff = new Backoff({ initialMs: 500, maxMs: 10_000 }, options.clock);
    this.#cursor = options.from;
    this.#done = this.#run();
  }

  /** The server has everything before. */
  get acknowledged(): Cursor {
    return this.#cursor;
  }

  get hasShortened(): boolean {
    return this.#sender.hasShortened;
  }

  /** To be called after a line was added. */
  onLine(): void {
    if (this.#state === 'idle' || (this.#state === 'gathering' && this.#isMuch())) this.#wake.call();
  }

  /** No more lines follow. Never rejects. */
  finish(): Promise<Delivery> {
    this.#tryingSince ??= this.#options.clock.now();
    this.#wake.call();
    return this.#done;
  }

  get #isFinishing(): boolean {
    return this.#tryingSince !== undefined;
  }

  async #run(): Promise<Delivery> {
    const { spool, signal } = this.#options;
    while (!signal.aborted) {
      if (this.#cursor.line < spool.end.line) {
        await this.#gather();
        if (signal.aborted) break;
        const ended = await this.#send();
        if (ended) return ended;
      } else if (this.#isFinishing) return { kind: 'delivered' };
      else await this.#idle();
    }
    return { kind: 'undelivered', why: 'the agent cannot wait any longer', isFinal: false };
  }

  async #idle(): Promise<void> {
    this.#state = 'idle';
    await this.#wake.wait(longMs, this.#options.clock, this.#options.signal);
  }

  async #gather(): Promise<void> {
    const { clock, signal } = this.#options;
    this.#state = 'gathering';
    const due = Math.max(clock.now() + gatherMs, this.#sentAt + gapMs);
    for (;;) {
      const leftMs = due - clock.now();
      if (leftMs <= 0 || this.#isFinishing || this.#isMuch() || signal.aborted) return;
      await this.#wake.wait(leftMs, clock, signal);
    }
  }

  #isMuch(): boolean {
    const { end } = this.#options.spool;
    return end.offset - this.#cursor.offset >= muchBytes || end.line - this.#cursor.line >= muchLines;
  }

  /** One batch, and the pause after it if it failed. */
  async #send(): Promise<Delivery | undefined> {
    const { clock, logger, onAcknowledged } = this.#options;
    this.#state = 'sending';
    this.#sentAt = clock.now();
    const sent = await this.#sender.send(this.#cursor);
    switch (sent.kind) {
      case 'acknowledged':
        this.#cursor = sent.next;
        onAcknowledged(sent.next);
        this.#onSuccess();
        return undefined;
      case 'full':
        logger.warn('The server takes no more of the job log', { lines: this.#cursor.line });
        return { kind: 'full' };
      case 'too-large':
        logger.warn('Lines of the job log are too large for one request and are sent in smaller ones');
        return undefined;
      case 'refused':
        this.#refusals += sent.isFinal ? 1 : 0;
        return await this.#retry(sent.error);
      case 'failed':
        return await this.#retry(sent.error);
    }
  }

  #onSuccess(): void {
    const { clock, logger } = this.#options;
    if (this.#backoff.failures > 1) logger.info('The job log is being delivered again');
    this.#backoff.reset();
    this.#refusals = 0;
    if (this.#isFinishing) this.#tryingSince = clock.now();
  }

  async #retry(error: Error): Promise<Delivery | undefined> {
    const { clock, logger, signal, refresh, patienceMs = 10 * 60_000 } = this.#options;
    if (signal.aborted) return undefined;
    // One failure alone is not worth a word: a server may close a connection at any moment.
    if (this.#backoff.failures === 1) {
      logger.warn('The job log cannot be delivered at the moment', {
        lines: this.#cursor.line,
        ...failureFields(error),
      });
    } else logger.debug('The job log cannot be delivered yet', failureFields(error));
    if (this.#isFinishing && this.#refusals >= (refresh ? refusals : 1)) {
      return { kind: 'undelivered', why: error.message, isFinal: true };
    }
    if (this.#tryingSince !== undefined && clock.now() - this.#tryingSince >= patienceMs) {
      const why = `no success in ${Math.round(patienceMs / 1000)} s: ${error.message}`;
      return { kind: 'undelivered', why, isFinal: false };
    }
    this.#state = 'retrying';
    const askedMs = error instanceof RemoteError ? Math.min(error.retryAfterMs ?? 0, maxRetryAfterMs) : 0;
    const earliest = clock.now() + askedMs;
    await this.#wake.wait(Math.max(this.#backoff.next(), askedMs), clock, signal);
    while (clock.now() < earliest && !signal.aborted) await this.#wake.wait(earliest - clock.now(), clock, signal);
    return undefined;
  }
}
