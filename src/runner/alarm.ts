import type { Clock } from '../lib/index.ts';

/** One thing to do after a while; setting it again replaces what was set before. */
export class Alarm {
  readonly #clock: Clock;
  readonly #action: () => void;
  #set: AbortController | undefined;

  constructor(clock: Clock, action: () => void) {
    this.#clock = clock;
    this.#action = action;
  }

  /** Does it after `ms` milliseconds. */
  set(ms: number): void {
    this.clear();
    const set = new AbortController();
    this.#set = set;
    void this.#wait(ms, set.signal);
  }

  clear(): void {
    this.#set?.abort();
    this.#set = undefined;
  }

  async #wait(ms: number, cleared: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(ms, cleared);
    } catch {
      return; // It was cleared.
    }
    if (!cleared.aborted) this.#action();
  }
}
