import type { RunnerConfig } from '../config/index.ts';
import { messageOf, UserError } from '../lib/index.ts';
import type { AccessKey, JobData } from '../protocol/ui/index.ts';
import { SecretRegistry } from '../secrets/index.ts';
import { checkoutName, type TaskWorkspace, type Workspace } from '../workspace/index.ts';
import { findApp } from './apps/index.ts';
import { collectSecrets } from './collect-secrets.ts';
import { TaskContext } from './context.ts';
import { processOwner, type Owner } from './owner.ts';
import { reasonOf, TaskProblem, TaskStopped } from './problem.ts';
import { processEnvironment } from './process-environment.ts';
import { effectiveBranch, prepareTree, type Tree } from './repository.ts';
import { identityVariables, taskDetails } from './task-details.ts';
import type { TaskHost, TaskOutcome } from './types.ts';
import { readVariables } from './variables.ts';

export interface RunTaskInput {
  job: JobData;
  /** Keys by id; what is missing counts as no credentials (spec 3.5). */
  keys: ReadonlyMap<number, AccessKey>;
  config: RunnerConfig;
  workspace: Workspace;
  host: TaskHost;
  /** Environment of the runner itself. */
  hostEnv: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs one task from its repository to its result, in the order of spec 5.3, and cleans up whatever happens. Rejects only
 * when the program itself is at fault.
 */
export async function runTask(input: RunTaskInput): Promise<TaskOutcome> {
  const { host, job } = input;
  let workspace: TaskWorkspace | undefined;
  try {
    registerSecrets(input);
    host.log(`Preparing: ${job.task.id}`);
    if (host.signal.aborted) return { kind: 'stopped' };
    const owner = await processOwner(input.config, host, input.hostEnv['PATH'] ?? '');
    workspace = await openWorkspace(input, owner);
    await runIn(workspace, owner, input);
    return { kind: 'success' };
  } catch (error: unknown) {
    if (error instanceof TaskStopped || host.signal.aborted) return { kind: 'stopped' };
    if (error instanceof TaskProblem) return { kind: 'failed', reason: reasonOf(error) };
    throw error;
  } finally {
    await workspace?.close().catch((error: unknown) => {
      host.log(`Can't remove the files of this task, error: ${messageOf(error)}`);
    });
  }
}

async function openWorkspace({ job, workspace }: RunTaskInput, owner: Owner | undefined): Promise<TaskWorkspace> {
  try {
    return await workspace.openTask(job.task.projectId, job.task.id, owner);
  } catch (error: unknown) {
    const hint = error instanceof UserError ? error.hint : undefined;
    throw new TaskProblem('prepare', `Creating tmp dir failed: ${messageOf(error)}`, hint ?? 'Check tmp_path.');
  }
}

function registerSecrets({ config, host, job, keys }: RunTaskInput): void {
  const registry = new SecretRegistry({ minLength: config.runner.masking.minLength });
  collectSecrets(job, keys, registry);
  for (const secret of registry.values()) host.addSecret(secret);
}

async function runIn(workspace: TaskWorkspace, owner: Owner | undefined, input: RunTaskInput): Promise<void> {
  const { config, host, hostEnv, job, keys } = input;
  const baseEnv = processEnvironment({ config, hostEnv, projectDirectory: workspace.project });
  const context = new TaskContext({ job, keys, config, host, workspace, baseEnv, owner });
  const app = findApp(job.template.app);
  try {
    app.check?.(context);
    const variables = readVariables(job);
    // First, so that a mapping that cannot be used is told before anything is fetched.
    await context.hostAccess();
    if (config.homeDirMode === 'project_home') workspace.shareProjectHome();
    const home = await workspace.takeHome(job.repository.id, job.template.id);
    const tree = await checkOut(context);
    if (host.signal.aborted) throw new TaskStopped();
    const details = taskDetails(job, tree.commit ?? givenCommit(job), config.webHost);
    const taskEnv = { ...variables.env, ...identityVariables(job, config.webHost) };
    await app.run({ context, variables, details, taskEnv, directory: tree.directory, home });
  } finally {
    await context.close();
  }
}

/** The repository of the task; reports the commit unless the server has named one (spec 5.5). */
async function checkOut(context: TaskContext): Promise<Tree> {
  const { host, job, workspace } = context;
  const branch = effectiveBranch(context);
  const { commitHash } = job.task;
  let directory: string | undefined;
  const tree = await prepareTree(context, {
    repository: job.repository,
    revision: commitHash === undefined ? { kind: 'branch', name: branch } : { kind: 'commit', name: commitHash },
    directory: () =>
      (directory ??= workspace.takeCheckout(
        checkoutName({ repositoryId: job.repository.id, templateId: job.template.id, branch }),
      )),
    keyPrefix: 'clone',
  });
  if (commitHash === undefined && tree.commit) host.setCommit(tree.commit);
  return tree;
}

function givenCommit(job: JobData) {
  const { commitHash, commitMessage } = job.task;
  return commitHash === undefined ? undefined : { hash: commitHash, message: commitMessage ?? '' };
}
