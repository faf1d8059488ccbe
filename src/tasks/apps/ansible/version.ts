import { stat } from 'node:fs/promises';
import { which } from '../../../execution/index.ts';
import type { TaskContext } from '../../context.ts';
import { TaskProblem, TaskStopped } from '../../problem.ts';

/** The first ansible-core that reads passwords from files; older ones only ask a terminal for them. */
const needed = { major: 2, minor: 12 };

/** Versions by executable, as long as it does not change: Ansible takes a second to say its own. */
const known = new Map<string, { mtimeMs: number; version: string | undefined }>();

/**
 * Makes sure that the `ansible-playbook` of this environment has `--connection-password-file` and `--become-password-file`.
 * One that does not tell its version is taken for new enough: its run will tell. Throws TaskProblem.
 */
export async function requirePasswordFiles(
  context: TaskContext,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<void> {
  const version = await context.host.once('ansible-version', async () => (await versionOf(context, env, cwd)) ?? null);
  const [major = needed.major, minor = needed.minor] =
    version?.split('.').map((part) => Number.parseInt(part, 10)) ?? [];
  if (major > needed.major || (major === needed.major && minor >= needed.minor)) return;
  throw new TaskProblem(
    'prepare',
    `the keys of the inventory have passwords, and this Ansible cannot be given any: it is ${version}, and ansible-core ${needed.major}.${needed.minor} or newer is needed`,
    "Install a newer ansible-core on the runner's machine, or use an SSH key without a become password.",
  );
}

async function versionOf(
  context: TaskContext,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<string | undefined> {
  const command = 'ansible-playbook';
  const executable = which(command, env['PATH'] ?? '', cwd);
  if (executable.kind === 'missing') return undefined;
  const { mtimeMs } = await stat(executable.path);
  const before = known.get(executable.path);
  if (before?.mtimeMs === mtimeMs) return before.version;
  const { result, stdout } = await context.host.capture({
    key: 'ansible-version',
    phase: 'prepare',
    command,
    args: ['--version'],
    cwd,
    env,
    stop: { signal: 'SIGTERM', graceMs: context.config.runner.stopGraceMs },
    ...context.owner,
  });
  if (result.kind === 'stopped') throw new TaskStopped();
  // `ansible-playbook [core 2.14.18]`, and before 2.11 `ansible-playbook 2.9.27`.
  const version = /^\S+ (?:\[core )?(\d+\.\d+[^\s\]]*)/.exec(stdout)?.[1];
  if (result.kind === 'exited' && result.code === 0) known.set(executable.path, { mtimeMs, version });
  return version;
}
