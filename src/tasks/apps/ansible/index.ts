import { join } from 'node:path/posix';
import type { HandOver } from '../../../secrets/index.ts';
import { extraArguments } from '../../arguments.ts';
import type { TaskContext } from '../../context.ts';
import { hostVariables, requirementsVariables } from '../../host-access.ts';
import { inside } from '../../inside.ts';
import { runStep, TaskProblem, withFiles } from '../../problem.ts';
import { ansibleHome } from '../../repository.ts';
import type { Step } from '../../types.ts';
import type { App, AppInput } from '../app.ts';
import { playbookArguments } from './arguments.ts';
import { controlPathVariables } from './control-path.ts';
import { extraVarsFile } from './extra-vars.ts';
import { prepareInventory } from './inventory.ts';
import { ansibleCredentials } from './keys.ts';
import { outputsPluginVariables } from './outputs-plugin.ts';
import { installRequirements } from './requirements.ts';
import { prepareVaults } from './vaults.ts';
import { requirePasswordFiles } from './version.ts';

/** What `ansible-playbook` says with its exit code. */
const exitMeanings: Readonly<Record<number, string>> = {
  1: 'an error before or in the playbook',
  2: 'a task failed on one or more hosts',
  4: 'one or more hosts were unreachable',
  5: 'wrong options',
  99: 'interrupted',
  250: 'an unexpected error inside Ansible',
};

/** Ansible (spec 5.7). Secrets go through named pipes, never through arguments, environment or files. */
export const ansibleApp: App = {
  check: ({ job }) => {
    const playbook = playbookOf(job);
    if (playbook === '') throw new TaskProblem('prepare', 'the template names no playbook', 'Set its playbook file.');
    inside('/repository', playbook, 'the playbook');
  },
  run: async (input) => {
    const { context, directory } = input;
    const { config, host, job, place } = context;
    const { params } = job.task;
    const { taskParams } = job.template;
    if (params.kind !== 'ansible' || taskParams.kind !== 'ansible') {
      throw new TaskProblem('prepare', 'the task has the parameters of another app');
    }
    const credentials = ansibleCredentials(
      keyOf(context, job.inventory.sshKeyId),
      keyOf(context, job.inventory.becomeKeyId),
    );
    const inventory = await prepareInventory(input);
    const cwd = job.template.workingDirectory
      ? inside(directory, job.template.workingDirectory, 'the working directory')
      : directory;
    const env = await ansibleEnvironment(input, cwd, credentials.sshKey);
    const { becomePassword, connectionPassword } = credentials;
    if (becomePassword !== undefined || connectionPassword !== undefined) await requirePasswordFiles(context, env, cwd);
    const fetching = { ...env, ...(await requirementsVariables(input, env, credentials.sshKey)) };
    await installRequirements({ input, params, templateParams: taskParams, env: fetching, cwd });
    const vaults = prepareVaults(context, directory);
    const pipe = (name: string, content: string | undefined): HandOver[] =>
      content === undefined ? [] : [{ path: join(place.privateDirectory, name), content }];
    const connection = pipe('connection-password', connectionPassword);
    const become = pipe('become-password', becomePassword);
    const secretVars = secretVariables(input);
    const secret = pipe('secret-vars', secretVars);
    await place.handOver([...vaults.handOvers, ...connection, ...become, ...secret]);
    const { sshConfigFile } = await context.hostAccess();
    const args = playbookArguments({
      inventory,
      sshConfigFile,
      user: credentials.user,
      connectionPasswordFile: connection[0]?.path,
      becomeUser: credentials.becomeUser,
      becomePasswordFile: become[0]?.path,
      params,
      templateParams: taskParams,
      vaultIds: vaults.ids,
      extraVars: [await openVariables(input), ...secret.map(({ path }) => path)],
      extra: extraArguments(job),
      playbook: inside(directory, playbookOf(job), 'the playbook'),
    });
    const step: Step = {
      key: 'run',
      phase: 'run',
      command: 'ansible-playbook',
      args,
      cwd,
      env: { ...env, ...(await outputsPluginVariables(input, env, cwd)) },
      stop: { signal: 'SIGTERM', graceMs: config.runner.stopGraceMs },
    };
    await runStep(host, step, 'ansible-playbook', exitMeanings);
  },
};

function playbookOf({ task, template }: TaskContext['job']): string {
  return task.playbook === '' ? template.playbook : task.playbook;
}

function keyOf({ keys }: TaskContext, id: number | undefined) {
  return id === undefined ? undefined : keys.get(id);
}

/** In the order of spec 5.6: Ansible's own head first, so that the configuration and the task may override it. */
async function ansibleEnvironment(
  input: AppInput,
  cwd: string,
  sshKey: Parameters<TaskContext['agentSocket']>[0] | undefined,
): Promise<Record<string, string>> {
  const { context, home, taskEnv } = input;
  const agent = sshKey === undefined ? {} : { SSH_AUTH_SOCK: await context.agentSocket(sshKey, 'inventory') };
  const env: Record<string, string> = {
    PYTHONUNBUFFERED: '1',
    ANSIBLE_FORCE_COLOR: 'True',
    ANSIBLE_HOST_KEY_CHECKING: 'False',
    ...context.baseEnv,
    PWD: cwd,
    ...ansibleHome(context.config, home.home),
    ...taskEnv,
    ...agent,
  };
  Object.assign(env, await hostVariables(context, env));
  return { ...env, ...(await controlPathVariables(context, env)) };
}

/** The extra variables that may be seen, in a file of the task's own; always given, because of `semaphore_vars`. */
async function openVariables({ context, details, variables }: AppInput): Promise<string> {
  const values = { ...variables.open, semaphore_vars: { task_details: details } };
  return await withFiles('prepare', 'Failed to write the extra vars files', () =>
    context.place.writePrivate('extra-vars.yml', extraVarsFile(values)),
  );
}

function secretVariables({ variables }: AppInput): string | undefined {
  const values = { ...variables.surveySecrets, ...variables.groupSecrets };
  return Object.keys(values).length === 0 ? undefined : extraVarsFile(values);
}
