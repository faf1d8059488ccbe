import { lstatSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { InternalError } from './errors.ts';

/**
 * Removes `path` and everything below it; nothing happens when it is not there. Symbolic links are removed, not followed.
 * The only recursive removal in the program: it refuses (InternalError) whatever is not strictly inside `within`.
 */
export async function removeTree(path: string, within: string): Promise<void> {
  const inside = relative(resolve(within), resolve(path));
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw new InternalError(`refused to remove ${path}: it is not inside ${within}`);
  }
  // Most often it is not.
  if (isAbsent(path)) return;
  await rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
}

function isAbsent(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}
