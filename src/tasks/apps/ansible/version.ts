import type { TaskContext } from '../../context.ts';
import { TaskProblem, TaskStopped } from '../../problem.ts';
import { onTheMachine } from '../../tools-at.ts';
import type { TaskHost } from '../../types.ts';

/** The first ansible-core that reads passwords from files; older ones only ask a terminal for them. */
const needed = { major: 2, minor: 12 };

/** Versions by executable, each of its files apart: Ansible takes a second to say its own. */
const known = new Map<string, string | undefined>();
/** More files of that name than any runner comes across. */
const maxKnown = 100;

/**
 * Makes sure that the `ansible-playbook` of this environment has `--connection-password-file` and `--become-password-file`.
 * One that does not tell its version is taken for new enough: its run will tell. Throws TaskProblem.
 */
export async function requirePasswordFiles(
  context: TaskContext,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<void> {
  const version = await context.host.once(
    'ansible-version',
    async (inner) => (await versionOf(context, inner, env, cwd)) ?? null,
  );
  const [major = needed.major, minor = needed.minor] =
    version?.split('.').map((part) => Number.parseInt(part, 10)) ?? [];
  if (major > needed.major || (major === needed.major && minor >= needed.minor)) return;
  throw new TaskProblem(
    'prepare',
    `the keys of the inventory have passwords, and this Ansible cannot be given any: it is ${version}, and ansible-core ${needed.major}.${needed.minor} or newer is needed`,
    `Install a newer ansible-core ${onTheMachine}, or use an SSH key without a become password.`,
  );
}

async function versionOf(
  context: TaskContext,
  host: TaskHost,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<string | undefined> {
  const command = 'ansible-playbook';
  const executable = await context.files.which(command, env['PATH'] ?? '', cwd);
  if (!executable) return undefined;
  const file = `${executable.path} ${executable.version}`;
  if (known.has(file)) return known.get(file);
  const { result, stdout } = await host.capture({
    key: 'ansible-version',
    phase: 'prepare',
    command,
    args: ['--version'],
    cwd,
    env,
    stop: { signal: 'SIGTERM', graceMs: context.config.runner.stopGraceMs },
  });
  if (result.kind === 'stopped') throw new TaskStopped();
  // `ansible-playbook [core 2.14.18]`, and before 2.11 `ansible-playbook 2.9.27`.
  const version = /^\S+ (?:\[core )?(\d+\.\d+[^\s\]]*)/.exec(stdout)?.[1];
  if (known.size >= maxKnown) known.clear();
  if (result.kind === 'exited' && result.code === 0) known.set(file, version);
  return version;
}
