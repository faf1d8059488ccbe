import type { DoneInside } from '../execution/index.ts';

/**
 * Counts what a task does, because what has no name is known by its number: the runs of a step, and lines. What is done inside
 * the work for a recorded value is not done again when the task is played again, so it is counted apart, too: whoever works
 * there is given counts of their own (`inside`), which count for all around them as well.
 */
export class Counts {
  readonly #around: Counts | undefined;
  readonly #turns = new Map<string, number>();
  #lines: number;

  constructor(lines: number, around?: Counts) {
    this.#lines = lines;
    this.#around = around;
  }

  /** How often `key` was used in the whole task before, from 0. */
  turn(key: string): number {
    const before = this.#whole.#turns.get(key) ?? 0;
    this.add({ turns: [[key, 1]], lines: 0 });
    return before;
  }

  /** How many lines were said in the whole task before, from 0. */
  line(): number {
    const before = this.#whole.#lines;
    this.add({ turns: [], lines: 1 });
    return before;
  }

  /** For what is done inside of some work; it begins with nothing. */
  inside(): Counts {
    return new Counts(0, this);
  }

  /** What was counted so far. */
  get done(): DoneInside {
    return { turns: [...this.#turns], lines: this.#lines };
  }

  /** Counts what was done inside of something that is not done again. */
  add(done: DoneInside): void {
    for (const [key, count] of done.turns) this.#turns.set(key, (this.#turns.get(key) ?? 0) + count);
    this.#lines += done.lines;
    this.#around?.add(done);
  }

  get #whole(): Counts {
    return this.#around ? this.#around.#whole : this;
  }
}
