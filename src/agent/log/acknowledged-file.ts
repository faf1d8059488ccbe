import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { type Cursor, start } from './whole-lines.ts';

/** Both numbers always have the same width: the one block that the file has is overwritten, for which a full disk has space. */
const width = 16;

/** How much of a log the server has taken, on the disk after each answer: those lines are never sent again, whoever goes on. */
export class AcknowledgedFile {
  readonly #path: string;
  readonly #fd: number;

  /** Creates the file, mode 0600, or opens the one that is there. Throws the system error. */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  }

  /** Throws the system error. */
  write({ line, offset }: Cursor): void {
    writeSync(this.#fd, `${String(line).padStart(width)} ${String(offset).padStart(width)}\n`, 0);
  }

  /** The start when nothing was written down. Throws the system error. */
  read(): Cursor {
    const [line, offset] = readFileSync(this.#path, 'utf8').trim().split(/\s+/).map(Number);
    return line !== undefined && offset !== undefined && Number.isSafeInteger(line + offset) ? { line, offset } : start;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
