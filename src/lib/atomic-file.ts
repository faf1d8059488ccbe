import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** True for the name of a file that was being written when its process ended. */
export function isTemporaryName(name: string): boolean {
  return /^\.[0-9a-f]{12}\.tmp$/.test(name);
}

export interface WriteFileAtomicOptions {
  /** Mode of the new file. @default 0o600 */
  mode?: number;
}

/**
 * Replaces `path` so that a reader, or a crash at any moment, sees the old content or the new, never half of it: a
 * private temporary file in the same directory, flushed, then renamed. An existing symbolic link is replaced, not followed.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Buffer,
  options: WriteFileAtomicOptions = {},
): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx', options.mode ?? 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * The same at once and without flushing, mode 0600: whole through the end of this process at any moment, not through a power
 * cut. For small files whose order among other writes matters.
 */
export function writeFileAtomicSync(path: string, content: string | Buffer): void {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
