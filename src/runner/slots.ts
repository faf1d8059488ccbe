import PQueue from 'p-queue';

/** At most so many tasks at a time; a task starts at once when a slot is free, else in order of arrival. */
export class Slots {
  readonly #queue: PQueue;
  readonly #concurrency: number;
  /** Tasks that were running already when this process began. */
  #inherited = 0;

  constructor(concurrency: number) {
    this.#concurrency = concurrency > 0 ? concurrency : Number.POSITIVE_INFINITY;
    this.#queue = new PQueue({ concurrency: this.#concurrency });
  }

  /** Tasks that hold a slot. */
  get running(): number {
    return this.#queue.pending;
  }

  /** Runs `work` in a slot. `work` must not reject. */
  add(work: () => Promise<void>): void {
    void this.#queue.add(work);
  }

  /** Gives work that is under way already a slot at once, also beyond the limit; others wait the longer. Call it first. */
  addRunning(work: () => Promise<void>): void {
    this.#inherited += 1;
    this.#queue.concurrency = Math.max(this.#concurrency, this.#inherited);
    void this.#queue.add(async () => {
      await work();
      this.#inherited -= 1;
      this.#queue.concurrency = Math.max(this.#concurrency, this.#inherited);
    });
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
