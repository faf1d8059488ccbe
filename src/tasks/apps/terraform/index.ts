import { join } from 'node:path/posix';
import type { TerraformTaskParams, TerraformTemplateParams } from '../../../protocol/ui/index.ts';
import { sshCommand } from '../../../ssh/index.ts';
import type { TaskContext } from '../../context.ts';
import { hostVariables } from '../../host-access.ts';
import { inside } from '../../inside.ts';
import { TaskProblem } from '../../problem.ts';
import type { App, AppInput } from '../app.ts';
import { backendFile, overrideBackend } from './backend.ts';
import { toolCommand, type Tool } from './command.ts';
import { runInit } from './init.ts';
import { offerOutputs } from './outputs.ts';
import { planAndApply } from './plan.ts';
import { stageArguments } from './stage-arguments.ts';
import { mayRunElsewhere, variablesSetElsewhere } from './var-files.ts';
import { terraformVariables } from './variables.ts';
import { selectWorkspace, workspaceName } from './workspace.ts';

/** Terraform, OpenTofu, Terragrunt (spec 5.8, docs/terraform.md): init, workspace, plan, decision, apply. */
export function terraformApp(name: 'terraform' | 'tofu' | 'terragrunt'): App {
  return {
    check: ({ job }) => {
      backendFile(paramsOf(job).templateParams);
      workspaceName(job.inventory);
      stageArguments(job);
      directoryOf('/repository', job.template.playbook);
    },
    run: async (input) => {
      const { context, directory } = input;
      const { files, job } = context;
      const { params, templateParams } = paramsOf(job);
      const cwd = directoryOf(directory, job.template.playbook);
      if (!(await context.host.once('directory', async () => (await files.kindOf(cwd)) !== undefined))) {
        throw new TaskProblem(
          'prepare',
          `there is no directory ${job.template.playbook} in the repository`,
          "Correct the template's directory.",
        );
      }
      const backend = backendFile(templateParams);
      if (backend !== undefined) await overrideBackend(context, { root: directory, directory: cwd, name: backend });
      const args = stageArguments(job);
      for (const remark of args.remarks) context.host.log(remark);
      // Once: commands may write such files, too.
      const found = await context.host.once('var-files', async () => ({
        elsewhere: [...(await variablesSetElsewhere(files, cwd, args.plan))],
        onlyFile: await mayRunElsewhere(files, cwd),
      }));
      const variables = terraformVariables(input.variables, new Map(found.elsewhere), found);
      tellImpossible(context, variables.impossible);
      const env = await environment(input, cwd, variables.env);
      const tool: Tool = { ...toolCommand(input, name), cwd, env, input };
      await runInit(tool, params, args.init);
      await selectWorkspace(tool, workspaceName(job.inventory));
      const varFile = await variablesFile(context, variables.file);
      const summary = await planAndApply(tool, { params, templateParams, args, varFile });
      await offerOutputs(tool);
      context.host.log(summary);
    },
  };
}

function paramsOf({ task, template }: TaskContext['job']): {
  params: TerraformTaskParams;
  templateParams: TerraformTemplateParams;
} {
  if (task.params.kind !== 'terraform' || template.taskParams.kind !== 'terraform') {
    throw new TaskProblem('prepare', 'the task has the parameters of another app');
  }
  return { params: task.params, templateParams: template.taskParams };
}

/** The template's directory; "" is the root of the repository, and a leading slash means the same root. */
function directoryOf(root: string, playbook: string): string {
  return inside(root, playbook.replace(/^\/+/, ''), 'the directory');
}

/**
 * What all commands run with, later ones winning (spec 5.3, 5.6). Modules are fetched by git, with the key of the inventory and
 * those for other hosts.
 */
async function environment(
  input: AppInput,
  cwd: string,
  variables: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const { context, taskEnv } = input;
  const { config, job, keys } = context;
  const { ssh } = await context.hostAccess();
  const key = keys.get(job.inventory.sshKeyId ?? 0);
  const env: Record<string, string> = {
    GIT_TERMINAL_PROMPT: '0',
    GIT_SSH_COMMAND: sshCommand(ssh),
    ...context.baseEnv,
    PWD: cwd,
    ...taskEnv,
    ...(job.alias === '' ? {} : { TF_HTTP_ADDRESS: `${config.webHost ?? ''}/api/terraform/${job.alias}` }),
    ...(key?.type === 'ssh' ? { SSH_AUTH_SOCK: await context.agentSocket(key, 'inventory') } : {}),
    ...variables,
  };
  return { ...env, ...(await hostVariables(context, env)) };
}

/** A pipe, so that what is secret of it is in no file. */
async function variablesFile(context: TaskContext, content: string | undefined): Promise<string | undefined> {
  if (content === undefined) return undefined;
  const path = join(context.place.privateDirectory, 'variables.tfvars.json');
  await context.place.handOver([{ path, content }]);
  return path;
}

function tellImpossible({ host }: TaskContext, names: readonly string[]): void {
  if (names.length === 0) return;
  const list = names.map((name) => JSON.stringify(name)).join(', ');
  host.log(
    `Not given to the tool, because no variable can be called so: ${list}. Names begin with a letter or "_" and have letters, digits, "_" and "-".`,
  );
}
