import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoadedConfig } from '../config/index.ts';
import { type DirectoryLock, lockDirectory, messageOf, UserError } from '../lib/index.ts';
import { foundTokenHome, placeOf } from '../secrets/index.ts';

/**
 * Where a runner keeps its job directories when `runner.state_dir` is not set: one place for each runner. A runner is known by its server
 * and by where its token is kept, which stay when the token is replaced; one whose token is only in the environment, by the token.
 */
export function stateDirectory(loaded: LoadedConfig, token: string): string {
  const { config } = loaded;
  const { stateDir, tokenCredential } = config.runner;
  if (stateDir !== undefined) return stateDir;
  const home = foundTokenHome(loaded);
  const place = tokenCredential ?? (home && placeOf(home));
  const identity = place === undefined ? token : `${config.webHost ?? ''}\n${place}`;
  return join(config.tmpPath, `.runner-${createHash('sha256').update(identity).digest('hex').slice(0, 12)}`);
}

/** Makes the state directory and this process the only runner in it: another one would end its tasks. */
export async function lockState(directory: string): Promise<DirectoryLock> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error: unknown) {
    throw new UserError(`Cannot make the state directory ${directory}: ${messageOf(error)}`, {
      hint: 'Name another with runner.state_dir, or see tmp_path.',
      cause: error,
    });
  }
  return lockDirectory(directory, {
    who: 'runner',
    hint: 'Stop it first; two runners on one machine need a registration, or a runner.state_dir, of their own.',
  });
}
