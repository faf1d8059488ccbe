import {
  access,
  chmod,
  chown,
  constants,
  lstat,
  mkdir,
  readFile,
  readlink,
  realpath,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { changeConfigFile, changedText, type LoadedConfig } from '../config/index.ts';
import { shownServer } from '../http/index.ts';
import { codeOf, messageOf, UserError, writeFileAtomic } from '../lib/index.ts';
import { clearKeychain, probeKeychain, readKeychain, writeKeychain } from './keychain.ts';

/** Where the token of a runner is kept: bare in a file of its own, as `runner.token` in the configuration file, or in the keychain. */
export type TokenHome = { kind: 'file' | 'config'; path: string } | { kind: 'keychain'; account: string };

/**
 * Where a new token belongs. Throws UserError when there is no place: a registered runner whose token is lost can only be
 * deleted on the server.
 */
export function tokenHome(loaded: LoadedConfig): TokenHome {
  const { config, file, sourceOf } = loaded;
  if (config.runner.tokenStore === 'keychain') return { kind: 'keychain', account: keychainAccount(loaded) };
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

/** A user may have several runners; the server and the configuration tell them apart. */
function keychainAccount({ config, file }: LoadedConfig): string {
  const server = config.webHost === undefined ? 'no server' : shownServer(config.webHost);
  return `${server} ${file ?? 'without a configuration file'}`;
}

/** The place in words: "the token is in …". */
export function placeOf(home: TokenHome): string {
  return home.kind === 'keychain' ? `the keychain, as "${home.account}"` : home.path;
}

/** The configuration with the token from the keychain, if that is where it is kept. Throws UserError when it cannot be asked. */
export async function withKeychainToken(loaded: LoadedConfig): Promise<LoadedConfig> {
  const { config } = loaded;
  if (config.runner.tokenStore !== 'keychain') return loaded;
  const token = await readKeychain(keychainAccount(loaded));
  return { ...loaded, config: { ...config, runner: { ...config.runner, token } } };
}

/**
 * Makes sure that a token can be stored, by doing all of it except the last step. Throws UserError. Called before the
 * server is asked, because a token that was given out cannot be asked for again.
 */
export async function ensureStorable(home: TokenHome): Promise<void> {
  if (home.kind === 'keychain') return await probeKeychain(home.account);
  try {
    let { path } = home;
    if (home.kind === 'config') {
      await changedText(path, await readFile(path, 'utf8'), [{ key: 'runner.token', value: 'probe' }]);
    } else {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      path = await followLink(path);
      if (await isWritableFile(path)) return;
    }
    const probe = `${path}.${process.pid}.probe`;
    await writeFile(probe, '', { mode: 0o600, flag: 'wx' });
    await rm(probe);
  } catch (error: unknown) {
    throw error instanceof UserError ? error : cannotStore(home, error);
  }
}

/** Where the token that is in use was found; undefined when it came from where nothing can be changed: environment, credential. */
export function foundTokenHome(loaded: LoadedConfig): TokenHome | undefined {
  const { config, file, sourceOf } = loaded;
  if (config.runner.tokenStore === 'keychain') return { kind: 'keychain', account: keychainAccount(loaded) };
  if (config.runner.tokenFile !== undefined) return { kind: 'file', path: config.runner.tokenFile };
  return file !== undefined && sourceOf('runner.token') === file ? { kind: 'config', path: file } : undefined;
}

/** Keeps a token; the file is replaced atomically and has mode 0600. Throws UserError. */
export async function storeToken(home: TokenHome, token: string): Promise<void> {
  if (home.kind === 'keychain') return await writeKeychain(home.account, token);
  try {
    if (home.kind === 'config') await changeConfigFile(home.path, [{ key: 'runner.token', value: token }]);
    else await replaceFile(home.path, token);
  } catch (error: unknown) {
    throw error instanceof UserError ? error : cannotStore(home, error);
  }
}

/** Forgets a token; nothing happens when there is none. Throws UserError. */
export async function forgetToken(home: TokenHome): Promise<void> {
  if (home.kind === 'keychain') return await clearKeychain(home.account);
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

async function replaceFile(given: string, token: string): Promise<void> {
  const path = await followLink(given);
  const owner = await stat(path).catch(() => undefined);
  try {
    await writeFileAtomic(path, token, { mode: 0o600 });
  } catch (error: unknown) {
    // A file that is mounted by itself into a container can be written, but not replaced.
    if (!owner || !['EBUSY', 'EACCES', 'EROFS'].includes(codeOf(error) ?? '')) throw error;
    await writeFile(path, token, { mode: 0o600 });
    // Another owner's keeps its mode; should others be able to read it, the next start warns.
    await chmod(path, 0o600).catch(() => undefined);
    return;
  }
  if (owner && process.getuid?.() === 0) await chown(path, owner.uid, owner.gid);
}

/**
 * The file behind a link, so that the link stays one; `path` itself when it is none. A link in a directory where everybody may write is
 * followed only if it is ours or the directory owner's, as the kernel does (`fs.protected_symlinks`): anybody else's would tell us
 * what to overwrite.
 */
async function followLink(path: string): Promise<string> {
  const link = await lstat(path).catch(() => undefined);
  if (!link?.isSymbolicLink()) return path;
  const directory = await stat(dirname(path));
  if ((directory.mode & 0o002) !== 0 && ![process.geteuid?.(), directory.uid].includes(link.uid)) {
    throw new Error('it is a link that somebody else has made, in a directory where everybody may write');
  }
  return await realpath(path).catch(async () => resolve(dirname(path), await readlink(path)));
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

function cannotStore({ kind, path }: Exclude<TokenHome, { kind: 'keychain' }>, error: unknown): UserError {
  const what = kind === 'config' ? 'the configuration file' : 'the token file';
  return new UserError(`cannot store the token in ${what} ${path}: ${messageOf(error)}`, {
    hint:
      kind === 'config'
        ? 'Make it writable for this user, or set runner.token_file.'
        : 'Choose a writable place with runner.token_file.',
    cause: error,
  });
}
