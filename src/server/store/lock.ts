import { randomBytes } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, UserError } from '../../lib/index.ts';

export interface DataLock {
  release(): Promise<void>;
}

/**
 * Makes this process the only server of a data directory. A lock that a dead process left behind does not count: the file
 * names the process and when it began, so neither a reboot nor a re-used process id can fake a living server.
 * Throws UserError when another server runs there.
 */
export async function lockDataDir(dir: string): Promise<DataLock> {
  const path = join(dir, 'lock');
  const own = `${process.pid} ${(await beganAt(process.pid)) ?? ''}\n`;
  for (;;) {
    try {
      await createWhole(path, own);
      return {
        release: async () => {
          if ((await contentOf(path)) === own) await rm(path, { force: true });
        },
      };
    } catch (error: unknown) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const [pid, began = ''] = ((await contentOf(path)) ?? '').trim().split(' ');
    if (pid && (await beganAt(Number(pid))) === began) {
      throw new UserError(`another server (process ${pid}) uses the data directory ${dir}`, {
        hint: 'Stop it, or name another directory with --data-dir.',
      });
    }
    await rm(path, { force: true });
  }
}

/** Creates a file with its content in one step: nobody sees it empty. Throws EEXIST when it is there already. */
async function createWhole(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(temporary, content, { mode: 0o600 });
  try {
    await link(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Start of a process in clock ticks since boot; "" where the system does not tell; undefined when there is no such process. */
async function beganAt(pid: number): Promise<string | undefined> {
  if (!isAlive(pid)) return undefined;
  try {
    // The name of the program, in parentheses, may hold anything; the start time is the 20th field behind it.
    return (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ')[19];
  } catch {
    return '';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error: unknown) {
    return codeOf(error) === 'EPERM';
  }
}
