import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { codeOf } from '../../lib/index.ts';
import { type Cursor, start } from './whole-lines.ts';

/** Both numbers always have the same width: the one block that the file has is overwritten, for which a full disk has space. */
const width = 16;

/** How much of a log the server has taken, on the disk after each answer: those lines are never sent again, whoever goes on. */
export class AcknowledgedFile {
  readonly #path: string;
  #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Makes the file, mode 0600, when there is none. Throws the system error. */
  write({ line, offset }: Cursor): void {
    this.#fd ??= openSync(this.#path, constants.O_WRONLY | constants.O_CREAT, 0o600);
    writeSync(this.#fd, `${String(line).padStart(width)} ${String(offset).padStart(width)}\n`, 0);
  }

  /** The start when nothing was written down. Throws the system error. */
  read(): Cursor {
    const [line, offset] = this.#text().trim().split(/\s+/).map(Number);
    return line !== undefined && offset !== undefined && Number.isSafeInteger(line + offset) ? { line, offset } : start;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #text(): string {
    try {
      return readFileSync(this.#path, 'utf8');
    } catch (error: unknown) {
      if (codeOf(error) === 'ENOENT') return '';
      throw error;
    }
  }
}
