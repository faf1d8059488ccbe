import { join } from 'node:path/posix';
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
  if (env[name] !== undefined || Buffer.byteLength(join(home, 'cp')) <= maxLength) return {};
  return { [name]: await context.place.socketDirectory('cp', maxLength) };
}
