import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf, makeTemporaryDirectory, removeTree } from '../../lib/index.ts';

/** Files of one job that nobody else may read, in a directory of their own that is made with the first. */
export class PrivateFiles {
  #directory: string | undefined;
  #count = 0;

  /** Returns the path. Throws the system's error. */
  write(content: Buffer): string {
    this.#directory ??= makeTemporaryDirectory('semaphore-job');
    this.#count += 1;
    const path = join(this.#directory, `env-${this.#count}`);
    try {
      writeFileSync(path, content, { mode: 0o600 });
    } catch (error: unknown) {
      if (codeOf(error) !== 'ENOENT') throw error;
      // A job may clear the temporary directory.
      mkdirSync(this.#directory, { mode: 0o700 });
      writeFileSync(path, content, { mode: 0o600 });
    }
    return path;
  }

  remove(path: string): void {
    rmSync(path, { force: true });
  }

  async removeAll(): Promise<void> {
    if (this.#directory !== undefined) await removeTree(this.#directory, dirname(this.#directory));
  }
}
