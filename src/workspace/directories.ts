import { chmodSync, closeSync, constants, fchmodSync, fchownSync, fstatSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, shortageHint, UserError } from '../lib/index.ts';

/*
 * At once, like all that every task needs to begin: a way to the thread pool and back costs more than any of these calls.
 */

/** The user tools run as, when it is not our own. */
export interface Owner {
  uid: number;
  gid: number;
}

/**
 * Makes the work root. Tools that run as another user must be able to pass through it, hence 0711 then, else 0700. A root
 * that is there already keeps its mode: it may be shared on purpose. Throws UserError when it cannot be made.
 */
export function ensureRoot(path: string, owner: Owner | undefined): void {
  try {
    const first = mkdirSync(path, { recursive: true, mode: 0o700 });
    if (owner && first !== undefined) openWay(path, first);
  } catch (error: unknown) {
    throw new UserError(`cannot make the work directory ${path} (${codeOf(error) ?? 'unknown error'})`, {
      hint: shortageHint(codeOf(error)) ?? 'Set tmp_path in the configuration to a directory the runner may write to.',
      cause: error,
    });
  }
}

/** Lets others pass from `first` to `path`, both of which were just made; said again because of the umask. */
function openWay(path: string, first: string): void {
  chmodSync(path, 0o711);
  if (path !== first && dirname(path) !== path) openWay(dirname(path), first);
}

/**
 * Makes one private directory (0700) below an existing one; an existing directory is made private. A symbolic link in its
 * place is refused when the directory is for another user, who may have put it there, unless `follow` is set.
 */
export function ensurePrivate(
  path: string,
  owner: Owner | undefined,
  { follow = owner === undefined }: { follow?: boolean } = {},
): void {
  try {
    mkdirSync(path, { mode: 0o700 });
    if (!owner) return;
  } catch (error: unknown) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
  const directory = openSync(path, O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW));
  try {
    const found = fstatSync(directory);
    if ((found.mode & 0o777) !== 0o700) fchmodSync(directory, 0o700);
    if (owner && (found.uid !== owner.uid || found.gid !== owner.gid)) fchownSync(directory, owner.uid, owner.gid);
  } finally {
    closeSync(directory);
  }
}
