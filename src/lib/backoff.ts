import type { Clock } from './clock.ts';

export interface BackoffOptions {
  /** First delay in milliseconds. */
  initialMs: number;
  /** Upper bound of a delay in milliseconds. */
  maxMs: number;
  /** Share of the delay that is random, 0 to 1. @default 0.5 */
  jitter?: number;
}

/**
 * Doubling delays with jitter: `next()` gives the milliseconds to wait after one more failure, `reset()` follows a
 * success. Jitter keeps a fleet of runners from coming back in the same instant.
 */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  readonly #clock: Pick<Clock, 'random'>;
  #failures = 0;

  constructor(options: BackoffOptions, clock: Pick<Clock, 'random'>) {
    this.#options = { jitter: 0.5, ...options };
    this.#clock = clock;
  }

  get failures(): number {
    return this.#failures;
  }

  next(): number {
    const { initialMs, maxMs, jitter } = this.#options;
    const base = Math.min(maxMs, initialMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return Math.round(base * (1 - jitter * this.#clock.random()));
  }

  reset(): void {
    this.#failures = 0;
  }
}
