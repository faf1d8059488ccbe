import { lchown, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { removeTree } from '../../../lib/index.ts';
import type { TaskContext } from '../../context.ts';

/**
 * Longest directory for the sockets of ssh connections that Ansible keeps open: of the 107 bytes of a socket's path it needs 11
 * for the name and ssh, while it makes one, 17 more.
 */
const maxLength = 107 - 11 - 17;

/**
 * Where Ansible keeps these sockets when the place it would take, below its home, has too long a path: then every ssh
 * connection would fail with "path too long for Unix domain socket". Empty where the usual place will do.
 */
export async function controlPathVariables(
  context: TaskContext,
  env: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const name = 'ANSIBLE_SSH_CONTROL_PATH_DIR';
  const home = env['ANSIBLE_HOME'] ?? join(env['HOME'] ?? '', '.ansible');
  if (env[name] !== undefined || fits(join(home, 'cp'))) return {};
  const own = join(context.workspace.private, 'cp');
  const directory = await context.host.once('control-path', async () => {
    const made = fits(own) ? own : await mkdtemp(join(tmpdir(), 'cp-'));
    // An earlier process may have come as far as to this.
    if (made === own) await mkdir(own, { mode: 0o700, recursive: true });
    if (context.owner) await lchown(made, context.owner.uid, context.owner.gid);
    return made;
  });
  // Nothing there is removed with the task; a killed ssh leaves its socket.
  if (directory !== own) context.onClose(() => removeTree(directory, dirname(directory)));
  return { [name]: directory };
}

function fits(directory: string): boolean {
  return Buffer.byteLength(directory) <= maxLength;
}
