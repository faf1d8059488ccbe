import { chmod, lstat, mkdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { messageOf, UserError } from '../../lib/index.ts';
import { storageHint } from './storage-hint.ts';

/** Variable of the directory in which agents keep the logs that are on their way. */
const stateDirectoryVariable = 'SEMAPHORE_AGENT_STATE_DIR';

/**
 * Where an agent keeps job logs until they are delivered: `SEMAPHORE_AGENT_STATE_DIR`; the directory that systemd gives a
 * unit with `StateDirectory=`; else one of this user below the directory for temporary files. Several agents may share it.
 */
export function stateDirectoryPath(env: Readonly<Record<string, string | undefined>>): string {
  const [ofUnit = ''] = (env['STATE_DIRECTORY'] ?? '').split(delimiter);
  const given = env[stateDirectoryVariable] || ofUnit;
  return given === '' ? join(tmpdir(), `semaphore-agent-${process.getuid?.() ?? 'user'}`) : resolve(given);
}

/**
 * Makes the directory, mode 0700, or checks the one that is there: it must be this user's, because what is in it is believed. Throws
 * UserError.
 */
export async function openStateDirectory(path: string): Promise<string> {
  const uid = process.getuid?.();
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const named = await lstat(path);
    const found = await stat(path);
    // Anybody may put a link into /tmp.
    const isForeign = found.uid !== uid || (named.uid !== uid && named.uid !== 0);
    if (uid !== undefined && isForeign) {
      throw new UserError(`the state directory ${path} belongs to another user`, {
        hint: `Remove it, or name another one in ${stateDirectoryVariable}.`,
      });
    }
    if ((found.mode & 0o077) !== 0) await chmod(path, 0o700);
    return path;
  } catch (error: unknown) {
    if (error instanceof UserError) throw error;
    throw new UserError(`the state directory ${path} cannot be used: ${messageOf(error)}`, {
      hint: storageHint(error),
      cause: error,
    });
  }
}
