import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf, makeTemporaryDirectory, removeTree } from '../../lib/index.ts';
import { quote } from './wording.ts';

/** Brings the text of a command to where the shell can read it. */
export interface CommandTransport {
  /**
   * Returns what the shell is to source, quoted for it. `type` types a line (without line end, at most 4000 bytes) and resolves when
   * the shell is at its prompt again, for a shell that shares no files with us. Throws the system's error.
   */
  place(text: string, type: (line: string) => Promise<void>): Promise<string>;
  /** Removes what was left for the shell. */
  remove(): Promise<void>;
}

/**
 * A file in a directory that is this session's alone. Its text is the command and nothing else, so that line numbers are those
 * that the user knows.
 */
export class FileTransport implements CommandTransport {
  readonly #directory = makeTemporaryDirectory('semaphore-session');
  readonly #file = join(this.#directory, 'command');

  place(text: string): Promise<string> {
    try {
      this.#write(text);
    } catch (error: unknown) {
      if (codeOf(error) !== 'ENOENT') throw error;
      // A job may clear the temporary directory.
      mkdirSync(this.#directory, { mode: 0o700 });
      this.#write(text);
    }
    return Promise.resolve(quote(this.#file));
  }

  remove(): Promise<void> {
    return removeTree(this.#directory, dirname(this.#directory));
  }

  #write(text: string): void {
    writeFileSync(this.#file, text, { mode: 0o600 });
  }
}
