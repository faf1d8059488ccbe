import type { Clock } from '../../lib/index.ts';

/** How long a task may take to come to where it was before it is stopped on the way there, milliseconds. */
const patienceMs = 60_000;

/**
 * Passes on that a task is to stop, but not while it is played again: what is on the way to the step that runs (files in containers,
 * the engine itself) ends on that signal, and the step would never be stopped as it should be, nor its last words be read.
 */
export class HeldStop {
  readonly #passed = new AbortController();
  readonly #outer: AbortSignal;
  readonly #released = new AbortController();

  constructor(outer: AbortSignal, isHeld: boolean, clock: Clock) {
    this.#outer = outer;
    if (!isHeld) this.#released.abort();
    if (outer.aborted) this.#asked(clock);
    else outer.addEventListener('abort', () => this.#asked(clock), { once: true });
  }

  get signal(): AbortSignal {
    return this.#passed.signal;
  }

  /** From now on nothing is held back. */
  release(): void {
    this.#released.abort();
    if (this.#outer.aborted) this.#passed.abort(this.#outer.reason);
  }

  #asked(clock: Clock): void {
    if (this.#released.signal.aborted) this.#passed.abort(this.#outer.reason);
    else
      void clock.sleep(patienceMs, this.#released.signal).then(
        () => this.release(),
        () => undefined,
      );
  }
}
