import type { AppConfig } from '../../config/index.ts';
import { extraArguments, type ExtraArguments } from '../arguments.ts';
import { hostVariables } from '../host-access.ts';
import { inside } from '../inside.ts';
import { runStep, TaskProblem } from '../problem.ts';
import { detailVariables } from '../task-details.ts';
import type { Step, TaskFiles } from '../types.ts';
import { textOf, type Variables } from '../variables.ts';
import type { App } from './app.ts';

export interface ShellCommand {
  command: string;
  leading: readonly string[];
}

/**
 * How a shell-type app is started (spec 5.9): its default command, or what `apps.<name>` says. PowerShell is `pwsh` where
 * that is on the tasks' PATH, else `powershell`, which is its name on Windows (spec 7.2).
 */
export async function shellCommand(
  app: string,
  config: AppConfig | undefined,
  searchPath: string,
  files: Pick<TaskFiles, 'which'>,
): Promise<ShellCommand> {
  const { command, leading } = await defaultCommand(app, searchPath, files);
  return { command: config?.path ?? command, leading: config?.args ?? leading };
}

async function defaultCommand(app: string, searchPath: string, files: Pick<TaskFiles, 'which'>): Promise<ShellCommand> {
  switch (app) {
    case 'python':
      return { command: 'python3', leading: [] };
    case 'powershell': {
      const found = await files.which('pwsh', searchPath, '/');
      return { command: found ? 'pwsh' : 'powershell', leading: ['-File'] };
    }
    default:
      return { command: app, leading: [] };
  }
}

/**
 * The arguments of a shell-type app (spec 5.9), in an order that never changes: the script, `NAME=SECRET` of the variable
 * groups, the template's arguments, `NAME=VALUE` of every extra variable, the task's arguments. Names are sorted. Scripts
 * expect their secrets here, so here they stay; those with the type `env` are in the environment instead.
 */
export function shellArguments(script: string, variables: Variables, extra: ExtraArguments): string[] {
  const { groupSecrets, open, surveySecrets } = variables;
  // A name that looks like an option is still a file.
  const file = script.startsWith('-') ? `./${script}` : script;
  return [file, ...pairs(groupSecrets), ...extra.template, ...pairs({ ...open, ...surveySecrets }), ...extra.task];
}

function pairs(values: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(values)
    .filter((name) => name !== 'semaphore_vars')
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((name) => `${name}=${textOf(values[name])}`);
}

/** bash, python, powershell, pulumi, and any other name: an executable with a script (spec 5.9). */
export function shellApp(name: string): App {
  return {
    check: ({ job }) => {
      if (job.template.playbook === '')
        throw new TaskProblem('prepare', 'the template names no script', 'Set its script file.');
      inside('/repository', job.template.playbook, 'the script');
    },
    run: async ({ context, details, directory, taskEnv, variables }) => {
      const { baseEnv, config, files, host, job, keys } = context;
      const key = keys.get(job.inventory.sshKeyId ?? 0);
      const agent = key?.type === 'ssh' ? { SSH_AUTH_SOCK: await context.agentSocket(key, 'inventory') } : {};
      const given = { ...baseEnv, PWD: directory, ...detailVariables(details), ...taskEnv, ...agent };
      const env: Record<string, string> = { ...given, ...(await hostVariables(context, given)) };
      const { command, leading } = await shellCommand(name, config.apps[name], env['PATH'] ?? '', files);
      const args = shellArguments(job.template.playbook, variables, extraArguments(job));
      const step: Step = {
        key: 'run',
        phase: 'run',
        command,
        args: [...leading, ...args],
        cwd: directory,
        env,
        stop: { signal: 'SIGTERM', graceMs: config.runner.stopGraceMs },
      };
      await runStep(host, step, command);
    },
  };
}
