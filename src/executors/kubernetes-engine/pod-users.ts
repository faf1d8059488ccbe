import { UserError } from '../../lib/index.ts';
import type { ContainerRole } from '../containers/engine.ts';
import type { PodContainers } from './pod-containers.ts';
import type { PodUsers } from './task-pod.ts';

/** The user of a container, as it finds itself. */
export interface ContainerUser {
  uid: number;
  gid: number;
  /** Its /etc/passwd. */
  passwd: string;
}

export type ContainerUsers = Record<ContainerRole, ContainerUser>;

/** Longest /etc/passwd that goes into an annotation. */
const maxPasswdBytes = 64 * 1024;

/** First of all, what of both volumes is to be private; another user than root need not, and cannot. */
const askUser =
  '[ "$(id -u)" != 0 ] || { chmod 0755 /workspace; chmod 0700 /secrets; }; id -u; id -g; cat /etc/passwd 2>/dev/null; :';

/**
 * The users of images, learned from the first pod with them: nobody else tells. A pod whose containers would not own the same files, or whose
 * user has no name (ssh runs for nobody who has none), is made anew, once for each pair of images.
 */
export class KnownUsers {
  readonly #users = new Map<string, PodUsers>();

  for(image: string, helperImage: string): PodUsers {
    return this.#users.get(keyOf(image, helperImage)) ?? { helper: undefined, passwd: {} };
  }

  /** True when a pod with these users is as it should be; else `for` gives what is to be made. */
  learn(image: string, helperImage: string, { build, helper }: ContainerUsers): boolean {
    const isShared = build.uid === helper.uid && build.gid === helper.gid;
    if (isShared && hasName(build) && hasName(helper)) return true;
    const { uid, gid } = build;
    this.#users.set(keyOf(image, helperImage), {
      helper: { uid, gid },
      passwd: {
        ...(hasName(build) ? {} : { build: withName(build) }),
        ...(hasName({ ...helper, uid }) ? {} : { helper: withName({ ...helper, uid, gid }) }),
      },
    });
    return false;
  }
}

/** Asks both containers. Throws UserError, or the signal's reason. */
export async function usersOf(containers: PodContainers, signal: AbortSignal): Promise<ContainerUsers> {
  const [build, helper] = await Promise.all([
    userOf(containers, 'build', signal),
    userOf(containers, 'helper', signal),
  ]);
  return { build, helper };
}

async function userOf(containers: PodContainers, role: ContainerRole, signal: AbortSignal): Promise<ContainerUser> {
  const printed: Buffer[] = [];
  const result = await containers.exec(role, {
    argv: ['/bin/sh', '-c', askUser],
    onStdout: (bytes) => printed.push(bytes),
    signal,
  });
  signal.throwIfAborted();
  const [uid = '', gid = '', ...lines] = Buffer.concat(printed).toString('utf8').split('\n');
  if (result.kind === 'exited' && /^\d+$/.test(uid) && /^\d+$/.test(gid)) {
    return { uid: Number(uid), gid: Number(gid), passwd: lines.join('\n') };
  }
  const reason = result.kind === 'exited' ? result.stderr.trim() : result.reason;
  throw new UserError(`Cannot run anything in the ${role} container of the task: ${reason}`, {
    hint: 'The role of the runner must allow `create` and `get` of pods/exec, and its images need /bin/sh, id and the usual tools.',
  });
}

function hasName({ uid, passwd }: Pick<ContainerUser, 'uid' | 'passwd'>): boolean {
  return passwd.split('\n').some((line) => line.split(':')[2] === String(uid));
}

function withName({ uid, gid, passwd }: ContainerUser): string {
  const own = `semaphore:x:${uid}:${gid}:semaphore:/workspace:/bin/sh\n`;
  const rest = passwd === '' || passwd.endsWith('\n') ? passwd : `${passwd}\n`;
  return rest.length > maxPasswdBytes ? own : `${rest}${own}`;
}

function keyOf(image: string, helperImage: string): string {
  return `${image} ${helperImage}`;
}
