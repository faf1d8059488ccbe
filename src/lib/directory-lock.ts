import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, messageOf, UserError } from './errors.ts';
import { processStartTime } from './process-start.ts';
import { shortageHint } from './shortage.ts';

export interface DirectoryLock {
  /** Gives the directory free. Safe to call twice. */
  release(): Promise<void>;
}

export interface DirectoryLockOptions {
  /** What this process is, for the message to the next one: "runner", "server". */
  who: string;
  /** What whoever comes second can do. */
  hint: string;
}

/**
 * Makes this process the only one of its kind that uses `directory`, which must exist. A lock that a dead process left
 * behind does not count: the file names the process and when it began, so neither a reboot nor a re-used process id can
 * fake a living one. Throws UserError when another process holds it, or the directory cannot be written to.
 */
export async function lockDirectory(directory: string, options: DirectoryLockOptions): Promise<DirectoryLock> {
  const path = join(directory, 'lock');
  const own = `${process.pid} ${beganAt(process.pid) ?? ''}\n`;
  const create = async (): Promise<boolean> => {
    try {
      return await createWhole(path, own);
    } catch (error: unknown) {
      throw new UserError(`cannot write to the directory ${directory} (${messageOf(error)})`, {
        hint: shortageHint(codeOf(error)) ?? 'Check its owner and permissions.',
        cause: error,
      });
    }
  };
  while (!(await create())) {
    const content = await contentOf(path);
    if (content === undefined) continue;
    const [pid, began = ''] = content.trim().split(' ');
    if (pid && beganAt(Number(pid)) === began) {
      throw new UserError(`another ${options.who} (process ${pid}) uses the directory ${directory}`, {
        hint: options.hint,
      });
    }
    await removeStale(path, content);
  }
  return {
    release: async () => {
      // What cannot be removed does not count any more once this process is gone.
      if ((await contentOf(path).catch(() => undefined)) === own)
        await rm(path, { force: true }).catch(() => undefined);
    },
  };
}

/** Creates a file with its content in one step: nobody sees it empty. False when it is there already. */
async function createWhole(path: string, content: string): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(temporary, content, { mode: 0o600 });
    await link(temporary, path);
    return true;
  } catch (error: unknown) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Takes a dead process's lock away, but not the one that somebody quicker has put in its place meanwhile. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  if ((await contentOf(aside)) !== stale) {
    await link(aside, path).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  }
  await rm(aside, { force: true });
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Start time of a process; "" where the system does not tell; undefined when there is no such process. */
function beganAt(pid: number): string | undefined {
  return isAlive(pid) ? (processStartTime(pid) ?? '') : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error: unknown) {
    return codeOf(error) === 'EPERM';
  }
}
