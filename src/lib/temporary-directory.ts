import { lstatSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processStartTime } from './process-start.ts';
import { removeTree } from './remove-tree.ts';

/**
 * Makes a directory of mode 0700 below the system's temporary one. Its name tells whose it is; what processes of the same user
 * have left there under this name when they were killed is removed on the way. Throws the system's error.
 */
export function makeTemporaryDirectory(name: string): string {
  const root = tmpdir();
  for (const left of leftBehind(root, name)) {
    // The next one to come tries again.
    void removeTree(join(root, left), root).catch(() => undefined);
  }
  return mkdtempSync(join(root, `${name}-${process.pid}-${processStartTime(process.pid) ?? ''}-`));
}

function leftBehind(root: string, name: string): string[] {
  return namesIn(root).filter((entry) => {
    const [, pid, began] = new RegExp(`^${name}-(\\d+)-(\\d*)-`).exec(entry) ?? [];
    return pid !== undefined && processStartTime(Number(pid)) !== began && isOurs(join(root, entry));
  });
}

function namesIn(root: string): string[] {
  try {
    return readdirSync(root);
  } catch {
    // A directory that may be written but not read: nothing can be found there.
    return [];
  }
}

function isOurs(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.();
}
