import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { messageOf, UserError } from '../lib/index.ts';

export interface DataDirChoice {
  /** From the command line. */
  flag: string | undefined;
  /** From the server file. */
  configured: string | undefined;
  /** Absolute path of the server file. */
  configFile: string;
  env: Readonly<Record<string, string | undefined>>;
}

/**
 * Where state and logs are kept: what was named, else `.semaphore-server` beside the server file, else (when that place may
 * not be written to) a directory of the user's state that belongs to this file.
 */
export async function chooseDataDir({ flag, configured, configFile, env }: DataDirChoice): Promise<string> {
  const named = flag === undefined ? configured : resolve(flag);
  const path = named ?? (await besideOrState(configFile, env));
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error: unknown) {
    throw new UserError(`the data directory ${path} cannot be used: ${messageOf(error)}`, {
      hint: 'Name another one with --data-dir or data_dir.',
      cause: error,
    });
  }
  return path;
}

async function besideOrState(configFile: string, env: DataDirChoice['env']): Promise<string> {
  const parent = dirname(configFile);
  const beside = join(parent, '.semaphore-server');
  for (const path of [beside, parent]) {
    try {
      await access(path, constants.W_OK);
      return beside;
    } catch {
      // Not there, or not ours: look further.
    }
  }
  const name = createHash('sha256').update(configFile).digest('hex').slice(0, 12);
  return join(
    env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state'),
    'semaphore',
    `server-${name}`,
  );
}
