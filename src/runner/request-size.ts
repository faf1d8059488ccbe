import type { Clock } from '../lib/index.ts';
import type { Logger } from '../telemetry/index.ts';

/** Below this nothing is gained: most of a request is then what stands around the log. */
const minRequestBytes = 128;

/** Time after which a size that was refused is tried again, milliseconds: somebody may have raised the limit. */
const tryAgainMs = 10 * 60_000;

/**
 * How large a progress request may be. A server or proxy that calls one too large (413) gets half of it, and half of that,
 * until it takes it, in the end with lines that are cut; ten minutes later it is offered more again.
 */
export class RequestSize {
  readonly #max: number;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #logger: Logger;
  #bytes: number;
  #refusedAt = 0;
  #shrunk = false;

  constructor(maxBytes: number, { clock, logger }: { clock: Pick<Clock, 'now'>; logger: Logger }) {
    this.#max = maxBytes;
    this.#bytes = maxBytes;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Bytes of log in a request, about; and of a line, which is cut there. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A request of `bytes` was called too large. False when it cannot be made smaller. */
  refused(bytes: number): boolean {
    this.#refusedAt = this.#clock.now();
    if (this.#bytes <= minRequestBytes) return false;
    this.#bytes = Math.max(minRequestBytes, Math.floor(Math.min(this.#bytes, bytes) / 2));
    this.#shrunk = true;
    return true;
  }

  /** A request was accepted. */
  passed(): void {
    if (this.#shrunk) {
      this.#shrunk = false;
      this.#logger.warn('The server calls progress reports too large; sending smaller ones', {
        context: 'sending_progress',
        bytes: this.#bytes,
        hint: 'Raise the limit of the proxy before it (nginx: client_max_body_size).',
      });
    }
    const since = this.#clock.now() - this.#refusedAt;
    if (since >= 0 && since < tryAgainMs) return;
    this.#refusedAt = this.#clock.now();
    this.#bytes = Math.min(this.#max, this.#bytes * 2);
  }
}
