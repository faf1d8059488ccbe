import { UserError } from '../../lib/index.ts';
import { askContainer } from './asking.ts';
import type { ContainerRole, TaskContainers } from './engine.ts';

/** What there is to know of a container before it is used. */
export interface ContainerFacts {
  uid: number;
  gid: number;
  /** Both volumes can be written. */
  isWritable: boolean;
  hasGit: boolean;
  /** Environment that its image gives to processes. */
  env: Record<string, string>;
}

/** Prints the facts, then the environment as it came: names and values may hold anything but zero bytes. */
const factsScript = String.raw`
  writable=no git=no
  [ -w /workspace ] && [ -w /secrets ] && writable=yes
  command -v git >/dev/null && git=yes
  echo "$(id -u) $(id -g) $writable $git"
  cat /proc/self/environ
`;

/** Gives the volumes to a user. Arguments: user, group. */
const giveScript = 'chown "$1:$2" /workspace /secrets && chmod 0755 /workspace && chmod 0700 /secrets';

/** Variables that say something of the one process that was asked, or that a task has of its own. */
const notTheImages = new Set(['HOME', 'HOSTNAME', 'OLDPWD', 'PWD', 'SHLVL', 'TERM', '_']);

/**
 * Looks into both containers, and makes both volumes the user's of the `build` container where the engine has not. Throws UserError
 * when that cannot be.
 */
export async function prepareContainers(
  containers: TaskContainers,
  signal: AbortSignal,
): Promise<Record<ContainerRole, ContainerFacts>> {
  const [build, helper] = await Promise.all([
    factsOf(containers, 'build', signal),
    factsOf(containers, 'helper', signal),
  ]);
  if (helper.uid !== build.uid && helper.uid !== 0 && build.uid !== 0) {
    throw new UserError(`The image of the task runs as user ${build.uid}, the helper image as user ${helper.uid}`, {
      hint: 'Let both run as the same user, or the helper image as root.',
    });
  }
  if (!build.isWritable) {
    const args = [String(build.uid), String(build.gid)];
    const given =
      helper.uid === 0
        ? await askContainer({ containers, role: 'helper', script: giveScript, args, signal })
        : { code: 1, stderr: '' };
    if (given.code !== 0) {
      throw new UserError(
        `The volumes of the task cannot be written by user ${build.uid}. ${given.stderr.trim()}`.trim(),
        {
          hint: 'Let the helper image run as root, or set the group of the volumes (fsGroup in Kubernetes).',
        },
      );
    }
  }
  return { build, helper };
}

async function factsOf(containers: TaskContainers, role: ContainerRole, signal: AbortSignal): Promise<ContainerFacts> {
  const { code, stderr, stdout } = await askContainer({ containers, role, script: factsScript, signal });
  const lineEnd = stdout.indexOf('\n');
  const [uid = '', gid = '', writable, git] = stdout.toString('latin1', 0, Math.max(0, lineEnd)).split(' ');
  if (code !== 0 || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) {
    throw new UserError(`The ${role} container cannot be used: ${stderr.trim() || `code ${code}`}`, {
      hint: 'Its image needs /bin/sh and the usual tools (id, cat, head, tail, mkdir, env, setsid).',
    });
  }
  const pairs = stdout
    .toString('utf8', lineEnd + 1)
    .split('\0')
    .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const)
    .filter(([name]) => name !== '' && !notTheImages.has(name));
  return {
    uid: Number(uid),
    gid: Number(gid),
    isWritable: writable === 'yes',
    hasGit: git === 'yes',
    env: Object.fromEntries(pairs),
  };
}
