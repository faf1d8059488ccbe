import { which } from './which.ts';

/** Who a process runs as; what is left out stays as it is. */
export interface Identity {
  /** Both or none. */
  uid?: number | undefined;
  gid?: number | undefined;
  /** Supplementary groups of that user; none when left out. */
  groups?: readonly number[] | undefined;
  /** No set-uid program, sudo among them, gives the process more rights than it has. */
  noNewPrivs?: boolean | undefined;
}

export interface Launch {
  command: string;
  args: readonly string[];
  /** For `spawn`. */
  options: { uid?: number; gid?: number; env: Record<string, string> };
}

/**
 * Variables by which the loader and the C library of a program let themselves be told what to run or to read: what they ignore in
 * set-uid programs. setpriv is started with the runner's rights and must not see them; the task may have them.
 */
const libraryVariable =
  /^(LD_|MALLOC_|GLIBC_TUNABLES$|GCONV_PATH$|GETCONF_DIR$|HOSTALIASES$|LOCALDOMAIN$|LOCPATH$|LANGUAGE$|NIS_PATH$|NLSPATH$|RES)/;
/** Prefix under which they are carried past setpriv. */
const carried = 'SEMAPHORE_CARRIED_';

/** Never the PATH of a task: what is found here is run with the runner's own rights. */
const trustedPath = '/usr/bin:/bin:/usr/sbin:/sbin';

/** The program that starts others with fewer rights (util-linux). */
export function findSetpriv(): string | undefined {
  const found = which('setpriv', [trustedPath, process.env['PATH'] ?? ''].join(':'), '/');
  return found.kind === 'found' ? found.path : undefined;
}

/**
 * How to start `command` as `identity`. Node itself can only set user and group, and then drops all other groups: what goes
 * beyond that is left to setpriv, which replaces itself by the command. Undefined when setpriv is needed and not there;
 * groups alone are done without, as far as possible.
 */
export function launchAs(
  identity: Identity,
  env: Readonly<Record<string, string>>,
  command: string,
  args: readonly string[],
): Launch | undefined {
  const { uid, gid, groups = [], noNewPrivs = false } = identity;
  const user = uid === undefined || gid === undefined ? undefined : { uid, gid };
  const plain = { command, args, options: { ...user, env: { ...env } } };
  if (!noNewPrivs && (user === undefined || groups.length === 0)) return plain;
  const setpriv = findSetpriv();
  if (setpriv === undefined) return noNewPrivs ? undefined : plain;
  const flags = [
    ...(user ? [`--reuid=${user.uid}`, `--regid=${user.gid}`] : []),
    ...(user ? [groups.length === 0 ? '--clear-groups' : `--groups=${groups.join(',')}`] : []),
    ...(noNewPrivs ? ['--no-new-privs'] : []),
  ];
  const past = carryPast(env);
  return { command: setpriv, args: [...flags, '--', ...past.prefix, command, ...args], options: { env: past.env } };
}

/** The environment for setpriv, and the command that makes it the task's again. */
function carryPast(env: Readonly<Record<string, string>>): { env: Record<string, string>; prefix: string[] } {
  const names = Object.keys(env).filter((name) => libraryVariable.test(name) && /^\w+$/.test(name));
  const safe = Object.entries(env).map(([name, value]) => [names.includes(name) ? `${carried}${name}` : name, value]);
  const restore = names.map((name) => `export ${name}="$${carried}${name}"; unset ${carried}${name}; `).join('');
  const prefix = names.length === 0 ? [] : ['/bin/sh', '-c', `${restore}exec "$@"`, 'semaphore-launch'];
  return { env: Object.fromEntries(safe), prefix };
}

/** Message for a process that cannot be started without setpriv. */
export const setprivMissing = 'setpriv, which process.no_new_privs needs, is not installed (package util-linux)';
