import type { Clock } from '../../lib/index.ts';

/** A wait that can be cut short. A call that comes while nobody waits makes the next wait end at once. */
export class Wake {
  #called = false;
  #waiting: AbortController | undefined;

  call(): void {
    this.#called = true;
    this.#waiting?.abort();
  }

  /** Resolves after `ms`, when called, or when `signal` is aborted. */
  async wait(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    if (!this.#called && !signal.aborted) {
      this.#waiting = new AbortController();
      const cut = AbortSignal.any([this.#waiting.signal, signal]);
      // Rejects only because it was cut short.
      await clock.sleep(ms, cut).catch(() => undefined);
      this.#waiting = undefined;
    }
    this.#called = false;
  }
}
