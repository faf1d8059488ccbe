import { lchown, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TaskHost } from '../../tasks/types.ts';
import type { Owner } from './identity.ts';

export interface SocketDirectoryOptions {
  /** Unique within the task. */
  name: string;
  /** Longest path. */
  maxBytes: number;
  /** The task's private directory: taken when its path is short enough, else the system's directory for such things. */
  within: string;
  host: TaskHost;
  /** User that the tools run as, when it is not our own. */
  owner: Owner | undefined;
}

/** A directory for sockets, the same one whenever the task is played again. The caller removes it. */
export async function socketDirectory(options: SocketDirectoryOptions): Promise<{ path: string; parent: string }> {
  const { host, maxBytes, name, owner, within } = options;
  const own = join(within, name);
  const path = await host.once(`sockets-${name}`, async () => {
    const made = Buffer.byteLength(own) <= maxBytes ? own : await mkdtemp(join(tmpdir(), `${name}-`));
    // An earlier process may have come as far as to this.
    if (made === own) await mkdir(own, { mode: 0o700, recursive: true });
    if (owner) await lchown(made, owner.uid, owner.gid);
    return made;
  });
  return { path, parent: dirname(path) };
}
