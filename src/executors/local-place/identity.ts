import { dirname } from 'node:path';
import type { ProcessConfig, RunnerConfig } from '../../config/index.ts';
import {
  captureProcess,
  findSetpriv,
  setprivMissing,
  type CaptureResult,
  type Identity,
  type ProcessSpec,
} from '../../execution/index.ts';
import { UserError } from '../../lib/index.ts';
import type { TaskHost } from '../../tasks/types.ts';
import { ensureRoot } from '../../workspace/index.ts';

/** User and group that a task's processes run as. */
export interface Owner {
  uid: number;
  gid: number;
}

/** Who tasks run as (spec 2.4). */
export interface TaskIdentity {
  /** For every process. */
  process: Identity;
  /** For the files that processes need; undefined when they are our own user's. */
  owner: Owner | undefined;
  /** Home directory of the user, when tasks run as another one and it has one. */
  home: string | undefined;
}

/** Runs a short helper and returns what it printed, or undefined when it failed. */
type Ask = (command: string, args: readonly string[]) => Promise<string | undefined>;

/**
 * The user of `process.user` with its groups, or `process.uid` and `process.gid` when both are above 0; no user means our
 * own. What cannot be done is refused, because a task with more rights than the administrator meant is worse than none.
 * Throws UserError.
 */
export async function resolveIdentity(config: ProcessConfig, ask: Ask): Promise<TaskIdentity> {
  const { chroot, noNewPrivs, user } = config;
  if (chroot !== undefined) {
    throw new UserError('the configuration asks for process.chroot, which this version of the runner cannot do', {
      hint: 'Remove the key, or use a runner that can.',
    });
  }
  if (noNewPrivs && findSetpriv() === undefined) {
    throw new UserError(setprivMissing, { hint: 'Install it, or remove process.no_new_privs.' });
  }
  const wanted = user === undefined ? idsOf(config) : await userNamed(user, ask);
  if (!wanted) return { process: { noNewPrivs }, owner: undefined, home: undefined };
  const { uid, gid, groups } = wanted;
  if (process.getuid?.() === uid) return { process: { noNewPrivs }, owner: undefined, home: undefined };
  if (process.getuid?.() !== 0) {
    throw new UserError(
      `tasks are to run as ${user === undefined ? `user ${uid}` : JSON.stringify(user)}, and only root may start processes as somebody else`,
      { hint: 'Run the runner as root or as that user, or remove process.user, process.uid and process.gid.' },
    );
  }
  const entry = await ask('getent', ['passwd', '--', String(uid)]);
  const home = entry?.split(':')[5];
  return { process: { uid, gid, groups, noNewPrivs }, owner: { uid, gid }, home: home === '' ? undefined : home };
}

/** The identity of a task's processes; helpers run as steps of it, so that they end with it. Throws UserError. */
export function identityOf(config: ProcessConfig, host: TaskHost, searchPath: string): Promise<TaskIdentity> {
  return resolveIdentity(config, async (command, args) => {
    const step = { ...helper(command, args, searchPath), key: `identity-${command}${args[0] ?? ''}` };
    return answerOf(await host.capture({ ...step, phase: 'prepare' }));
  });
}

/**
 * Asked when the runner starts. Makes the work root for those who need it. Throws UserError when tasks could not run as the
 * configuration says.
 */
export async function checkIdentity(
  config: Pick<RunnerConfig, 'process' | 'tmpPath'>,
  searchPath: string,
): Promise<void> {
  const options = { tag: `identity-${process.pid}`, signal: new AbortController().signal };
  const ask = async (command: string, args: readonly string[], identity: Identity = {}) =>
    answerOf(await captureProcess({ ...helper(command, args, searchPath), ...identity }, options));
  const { owner, process: identity } = await resolveIdentity(config.process, ask);
  if (!owner) return;
  ensureRoot(config.tmpPath, owner);
  for (const path of wayTo(config.tmpPath)) {
    if ((await ask('test', ['-x', path], identity)) !== undefined) continue;
    throw new UserError(`user ${owner.uid}, as which tasks are to run, cannot enter ${path}, the way to tmp_path`, {
      hint: `Allow it, for example with \`chmod o+x ${path}\`, or set tmp_path to another place.`,
    });
  }
}

/** `/a/b`: `/`, `/a`, `/a/b`. */
function wayTo(path: string): string[] {
  return dirname(path) === path ? [path] : [...wayTo(dirname(path)), path];
}

function helper(command: string, args: readonly string[], searchPath: string): ProcessSpec {
  return { command, args, cwd: '/', env: { PATH: searchPath }, stop: { signal: 'SIGTERM', graceMs: 1000 } };
}

function answerOf({ result, stdout }: CaptureResult): string | undefined {
  if (result.kind === 'stopped') throw new Error('The task was stopped.');
  return result.kind === 'exited' && result.code === 0 ? stdout.trim() : undefined;
}

/** A host whose every process runs as `identity`: no call site can forget it. */
export function hostAs(host: TaskHost, identity: Identity): TaskHost {
  return {
    ...host,
    run: (step) => host.run({ ...step, ...identity }),
    capture: (step) => host.capture({ ...step, ...identity }),
    assist: (spec) => host.assist({ ...spec, ...identity }),
    once: (key, work) => host.once(key, (inner) => work(hostAs(inner, identity))),
  };
}

type Ids = Owner & { groups: number[] };

function idsOf({ uid, gid }: ProcessConfig): Ids | undefined {
  return uid && gid ? { uid, gid, groups: [] } : undefined;
}

/** `id` knows users from every source of the system, unlike a look into /etc/passwd. */
async function userNamed(user: string, ask: Ask): Promise<Ids> {
  const uid = await ask('id', ['-u', '--', user]);
  const gid = await ask('id', ['-g', '--', user]);
  const groups = await ask('id', ['-G', '--', user]);
  if (uid === undefined || gid === undefined) {
    throw new UserError(`there is no user ${JSON.stringify(user)} on this machine`, {
      hint: 'Correct process.user in the configuration.',
    });
  }
  return { uid: Number(uid), gid: Number(gid), groups: (groups ?? '').split(/\s+/).filter(Boolean).map(Number) };
}
