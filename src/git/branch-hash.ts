import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRefName, isWholeHash } from './revision.ts';

/**
 * The commit that a branch of a bare repository stands at, read from its files without starting git. Undefined when it is
 * not there in the usual form; whoever needs it then asks git.
 */
export async function branchHash(repository: string, branch: string): Promise<string | undefined> {
  if (!isRefName(branch)) return undefined;
  const ref = `refs/heads/${branch}`;
  const loose = looseText(join(repository, ref))?.trim();
  if (loose !== undefined) return isWholeHash(loose) ? loose : undefined;
  const packed = await readFile(join(repository, 'packed-refs'), 'utf8').catch(() => undefined);
  const hash = packed
    ?.split('\n')
    .find((line) => line.endsWith(` ${ref}`))
    ?.slice(0, -ref.length - 1);
  return hash !== undefined && isWholeHash(hash) ? hash : undefined;
}

function looseText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
