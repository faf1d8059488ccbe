import PQueue from 'p-queue';

/** At most so many tasks at a time; a task starts at once when a slot is free, else in order of arrival. */
export class Slots {
  readonly #queue: PQueue;

  constructor(concurrency: number) {
    this.#queue = new PQueue({ concurrency: concurrency > 0 ? concurrency : Number.POSITIVE_INFINITY });
  }

  /** Tasks that hold a slot. */
  get running(): number {
    return this.#queue.pending;
  }

  /** Runs `work` in a slot. `work` must not reject. */
  add(work: () => Promise<void>): void {
    void this.#queue.add(work);
  }

  /** Forgets what has no slot yet. */
  clear(): void {
    this.#queue.clear();
  }

  /** Resolves when no task holds a slot. */
  async idle(): Promise<void> {
    await this.#queue.onIdle();
  }
}
