import { writeSync } from 'node:fs';

/** What is kept in memory at most while the disk takes nothing, bytes: a few thousand events. */
const maxWaitingBytes = 4 * 1024 * 1024;

interface Entry {
  text: string;
  /** What is left of it to write; undefined before it was begun. */
  rest: Buffer | undefined;
}

export interface PatientFileOptions {
  /** Open for appending. */
  fd: number;
  /** Asked right before an entry is begun: what must stand before it. @default nothing */
  before?: () => string;
}

/**
 * An append-only file that outlives a full or read-only disk. What cannot be written waits in memory, in order, and is written
 * before anything later; an entry that was cut in the middle goes on where it was cut. The file is always a beginning of
 * what was appended.
 */
export class PatientFile {
  readonly #options: PatientFileOptions;
  #entries: Entry[] = [];
  #error: unknown;

  constructor(options: PatientFileOptions) {
    this.#options = options;
  }

  /** The error that keeps something waiting. */
  get trouble(): unknown {
    return this.#entries.length === 0 ? undefined : this.#error;
  }

  /** Writes `text` now, or as soon as that is possible. Throws the system error when too much is waiting already. */
  append(text: string): void {
    this.keep(text);
    this.flush();
  }

  /** Puts `text` behind what is waiting, without trying to write it. Throws as `append` does. */
  keep(text: string): void {
    const waiting = this.#entries.reduce((sum, entry) => sum + entry.text.length, 0);
    if (waiting + text.length > maxWaitingBytes && this.#error !== undefined) throw this.#error;
    this.#entries.push({ text, rest: undefined });
  }

  /** Tries to write what is waiting. True when nothing is left. */
  flush(): boolean {
    const { fd, before = () => '' } = this.#options;
    try {
      for (let entry = this.#entries[0]; entry; entry = this.#entries[0]) {
        const bytes = entry.rest ?? Buffer.from(before() + entry.text);
        entry.rest = bytes.subarray(writeSync(fd, bytes));
        if (entry.rest.length === 0) this.#entries.shift();
      }
      return true;
    } catch (error: unknown) {
      this.#error = error;
      return false;
    }
  }

  /** Gives up what is waiting and returns it, whole. */
  takeWaiting(): string[] {
    const texts = this.#entries.map(({ text }) => text);
    this.#entries = [];
    return texts;
  }
}
