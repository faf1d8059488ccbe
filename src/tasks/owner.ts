import type { RunnerConfig } from '../config/index.ts';
import { TaskProblem, TaskStopped } from './problem.ts';
import type { TaskHost } from './types.ts';

/** User and group that a task's processes run as. */
export interface Owner {
  uid: number;
  gid: number;
}

/**
 * The user of `process.user`, or of `process.uid` and `process.gid` when both are above 0 (spec 2.4); undefined means our
 * own. What this version cannot do is refused, because a task with more rights than the administrator meant is worse than
 * none. Throws TaskProblem.
 */
export async function processOwner(
  config: RunnerConfig,
  host: TaskHost,
  searchPath: string,
): Promise<Owner | undefined> {
  const { user, uid, gid, chroot, noNewPrivs } = config.process;
  const unknown = chroot === undefined ? (noNewPrivs ? 'process.no_new_privs' : undefined) : 'process.chroot';
  if (unknown !== undefined) {
    throw new TaskProblem(
      'prepare',
      `the configuration asks for ${unknown}, which this version of the runner cannot do`,
      'Remove the key, or use a runner that can.',
    );
  }
  if (user !== undefined) {
    return { uid: await lookUp('-u', user, host, searchPath), gid: await lookUp('-g', user, host, searchPath) };
  }
  return uid && gid ? { uid, gid } : undefined;
}

/** `id` knows users from every source of the system, unlike a look into /etc/passwd. */
async function lookUp(what: '-u' | '-g', user: string, host: TaskHost, searchPath: string): Promise<number> {
  const { result, stdout } = await host.capture({
    key: `id${what}`,
    phase: 'prepare',
    command: 'id',
    args: [what, '--', user],
    cwd: '/',
    env: { PATH: searchPath },
    stop: { signal: 'SIGTERM', graceMs: 1000 },
  });
  if (result.kind === 'stopped') throw new TaskStopped();
  if (result.kind === 'exited' && result.code === 0) return Number(stdout.trim());
  throw new TaskProblem(
    'prepare',
    `there is no user ${JSON.stringify(user)} on this machine`,
    'Correct process.user in the configuration.',
  );
}
