import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../lib/index.ts';

/** Bytes that `path` and everything below it take on the disk; files with several names count once. What vanishes counts 0. */
export async function diskUsage(path: string, seen = new Set<string>()): Promise<number> {
  try {
    const found = await lstat(path);
    const id = `${found.dev}:${found.ino}`;
    if (found.nlink > 1 && !found.isDirectory()) {
      if (seen.has(id)) return 0;
      seen.add(id);
    }
    let total = found.blocks * 512;
    if (!found.isDirectory()) return total;
    for await (const { name } of await opendir(path)) total += await diskUsage(join(path, name), seen);
    return total;
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return 0;
    throw error;
  }
}
