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
  const loose = (await textOf(join(repository, ref)))?.trim();
  if (loose !== undefined) return isWholeHash(loose) ? loose : undefined;
  const packed = await textOf(join(repository, 'packed-refs'));
  const hash = packed
    ?.split('\n')
    .find((line) => line.endsWith(` ${ref}`))
    ?.slice(0, -ref.length - 1);
  return hash !== undefined && isWholeHash(hash) ? hash : undefined;
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}
