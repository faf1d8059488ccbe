import { AsyncLocalStorage } from 'node:async_hooks';
import type { DoneInside } from '../execution/index.ts';

interface Inside {
  turns: Map<string, number>;
  lines: number;
}

/** The works that the calls of a moment are inside of, and whose they are: a call may lead on to another task. */
interface Works {
  owner: Counts;
  all: readonly Inside[];
}

/**
 * One for all tasks, and switched off while there is no work: each storage that was ever used costs something with every
 * promise that is made anywhere.
 */
const works = new AsyncLocalStorage<Works>();
let worksUnderWay = 0;

/**
 * Counts what a task does, because what has no name is known by its number: the runs of a step, and lines. What is done inside
 * the work for a recorded value is not done again when the task is played again, so it is counted apart, too; by the calls that
 * lead there and not by time, because a task may do something else meanwhile.
 */
export class Counts {
  readonly #turns = new Map<string, number>();
  #lines: number;

  constructor(lines: number) {
    this.#lines = lines;
  }

  /** How often `key` was used before, from 0. */
  turn(key: string): number {
    const before = this.#turns.get(key) ?? 0;
    this.#add({ turns: [[key, 1]], lines: 0 });
    return before;
  }

  /** How many lines were said before, from 0. */
  line(): number {
    const before = this.#lines;
    this.#add({ turns: [], lines: 1 });
    return before;
  }

  /** Does `work`, and tells what was counted inside of it. */
  async during<Value>(work: () => Promise<Value>): Promise<{ value: Value; inside: DoneInside }> {
    const inside: Inside = { turns: new Map(), lines: 0 };
    worksUnderWay += 1;
    try {
      const value = await works.run({ owner: this, all: [...this.#around(), inside] }, work);
      return { value, inside: { turns: [...inside.turns], lines: inside.lines } };
    } finally {
      worksUnderWay -= 1;
      if (worksUnderWay === 0) works.disable();
    }
  }

  /** Counts what was done inside of something that is not done again. */
  skip(inside: DoneInside): void {
    this.#add(inside);
  }

  #add({ turns, lines }: DoneInside): void {
    for (const [key, count] of turns) this.#turns.set(key, (this.#turns.get(key) ?? 0) + count);
    this.#lines += lines;
    for (const work of this.#around()) {
      for (const [key, count] of turns) work.turns.set(key, (work.turns.get(key) ?? 0) + count);
      work.lines += lines;
    }
  }

  #around(): readonly Inside[] {
    const store = works.getStore();
    return store?.owner === this ? store.all : [];
  }
}
