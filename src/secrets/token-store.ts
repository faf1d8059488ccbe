import { access, chown, constants, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { changeConfigFile, changedText, type LoadedConfig } from '../config/index.ts';
import { codeOf, messageOf, UserError, writeFileAtomic } from '../lib/index.ts';

/** Where the token of a runner is kept: bare in a file of its own, or as `runner.token` in the configuration file. */
export type TokenHome = { kind: 'file' | 'config'; path: string };

/**
 * Where a new token belongs. Throws UserError when there is no place: a registered runner whose token is lost can only be
 * deleted on the server.
 */
export function tokenHome({ config, file, sourceOf }: LoadedConfig): TokenHome {
  if (config.runner.tokenFile !== undefined) return { kind: 'file', path: config.runner.tokenFile };
  if (sourceOf('runner.token') === 'SEMAPHORE_RUNNER_TOKEN') {
    throw new UserError('SEMAPHORE_RUNNER_TOKEN is set, and would be used instead of any token that is stored', {
      hint: 'Unset it, or set SEMAPHORE_RUNNER_TOKEN_FILE instead.',
    });
  }
  if (file !== undefined) return { kind: 'config', path: file };
  throw new UserError('there is no place to keep the token: no configuration file is used, and no token file is set', {
    hint: 'Set SEMAPHORE_RUNNER_TOKEN_FILE, or name a file with --config.',
  });
}

/**
 * Makes sure that a token can be stored, by doing all of it except the last step. Throws UserError. Called before the
 * server is asked, because a token that was given out cannot be asked for again.
 */
export async function ensureStorable(home: TokenHome): Promise<void> {
  try {
    if (home.kind === 'config') {
      await changedText(home.path, await readFile(home.path, 'utf8'), [{ key: 'runner.token', value: 'probe' }]);
    } else {
      await mkdir(dirname(home.path), { recursive: true, mode: 0o700 });
      if (await isWritableFile(home.path)) return;
    }
    const probe = `${home.path}.${process.pid}.probe`;
    await writeFile(probe, '', { mode: 0o600, flag: 'wx' });
    await rm(probe);
  } catch (error: unknown) {
    throw error instanceof UserError ? error : cannotStore(home, error);
  }
}

/** Where the token that is in use was found; undefined when it came from the environment, where nothing can be changed. */
export function foundTokenHome({ config, file, sourceOf }: LoadedConfig): TokenHome | undefined {
  if (config.runner.tokenFile !== undefined) return { kind: 'file', path: config.runner.tokenFile };
  return file !== undefined && sourceOf('runner.token') === file ? { kind: 'config', path: file } : undefined;
}

/** Keeps a token; the file is replaced atomically and has mode 0600. Throws UserError. */
export async function storeToken(home: TokenHome, token: string): Promise<void> {
  try {
    if (home.kind === 'config') await changeConfigFile(home.path, [{ key: 'runner.token', value: token }]);
    else await replaceFile(home.path, token);
  } catch (error: unknown) {
    throw error instanceof UserError ? error : cannotStore(home, error);
  }
}

/** Forgets a token; nothing happens when there is none. Throws UserError. */
export async function forgetToken(home: TokenHome): Promise<void> {
  try {
    if (home.kind === 'config') await changeConfigFile(home.path, [{ key: 'runner.token', value: undefined }]);
    else await rm(home.path, { force: true });
  } catch (error: unknown) {
    if (error instanceof UserError) throw error;
    throw new UserError(`cannot remove the token from ${home.path}: ${messageOf(error)}`, {
      hint: 'Remove it by hand: the server does not know it any more.',
      cause: error,
    });
  }
}

async function replaceFile(path: string, token: string): Promise<void> {
  const owner = await stat(path).catch(() => undefined);
  try {
    await writeFileAtomic(path, token, { mode: 0o600 });
  } catch (error: unknown) {
    // A file that is mounted by itself into a container can be written, but not replaced.
    if (!owner || !['EBUSY', 'EACCES', 'EROFS'].includes(codeOf(error) ?? '')) throw error;
    await writeFile(path, token, { mode: 0o600 });
    return;
  }
  if (owner && process.getuid?.() === 0) await chown(path, owner.uid, owner.gid);
}

async function isWritableFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return false;
  if (found.isDirectory()) throw new Error('it is a directory');
  return await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

function cannotStore({ kind, path }: TokenHome, error: unknown): UserError {
  const what = kind === 'config' ? 'the configuration file' : 'the token file';
  return new UserError(`cannot store the token in ${what} ${path}: ${messageOf(error)}`, {
    hint:
      kind === 'config'
        ? 'Make it writable for this user, or set runner.token_file.'
        : 'Choose a writable place with runner.token_file.',
    cause: error,
  });
}
