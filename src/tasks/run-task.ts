import { statSync } from 'node:fs';
import type { RunnerConfig } from '../config/index.ts';
import { codeOf, messageOf, shortageHint, UserError } from '../lib/index.ts';
import type { AccessKey, JobData } from '../protocol/ui/index.ts';
import { SecretRegistry } from '../secrets/index.ts';
import { checkoutName, type TaskWorkspace, type Workspace } from '../workspace/index.ts';
import { findApp } from './apps/index.ts';
import { collectSecrets } from './collect-secrets.ts';
import { TaskContext } from './context.ts';
import { openOutputs, type TaskOutputs } from './outputs/index.ts';
import { hostAs, identityOf, type Owner, type TaskIdentity } from './owner.ts';
import { reasonOf, TaskProblem, TaskStopped, withFiles } from './problem.ts';
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
 *
 * A task that an earlier process began is played again (`host.resumed`): steps that ended are answered from the record, the one
 * that runs is waited for. So everything here and below happens in the same order every time; what looks at files that may
 * have changed since, and what must not happen twice, is done through `host.once`. Nothing touches what a running step uses.
 */
export async function runTask(input: RunTaskInput): Promise<TaskOutcome> {
  const { host, job } = input;
  // At once, before any other task could take what this one has.
  if (host.resumed) input.workspace.reserve(job.task.projectId, job.task.id);
  let workspace: TaskWorkspace | undefined;
  try {
    const { leftOut, secrets } = registerSecrets(input);
    host.log(`Preparing: ${job.task.id}`);
    if (leftOut !== undefined) host.log(leftOut);
    if (host.signal.aborted && !host.resumed) return { kind: 'stopped' };
    const identity = await identityOf(input.config.process, host, input.hostEnv['PATH'] ?? '');
    workspace = await openWorkspace(input, identity.owner);
    const asIdentity = { ...input, host: hostAs(host, identity.process) };
    return { kind: 'success', outputs: await runIn(workspace, identity, secrets, asIdentity) };
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

async function openWorkspace({ host, job, workspace }: RunTaskInput, owner: Owner | undefined): Promise<TaskWorkspace> {
  const { resumed } = host;
  try {
    return await workspace.openTask(job.task.projectId, job.task.id, owner, { resumed });
  } catch (error: unknown) {
    const hint = error instanceof UserError ? error.hint : (shortageHint(codeOf(error)) ?? 'Check tmp_path.');
    throw new TaskProblem('prepare', `Creating tmp dir failed: ${messageOf(error)}`, hint);
  }
}

/** Before anything can print them; with what is to be said of those that are not masked. */
function registerSecrets({ config, host, job, keys }: RunTaskInput): {
  secrets: string[];
  leftOut: string | undefined;
} {
  const registry = new SecretRegistry({ minLength: config.runner.masking.minLength });
  collectSecrets(job, keys, registry);
  const secrets = registry.values();
  for (const secret of secrets) host.addSecret(secret);
  return { secrets, leftOut: leftOutText(registry.leftOut, config.runner.masking) };
}

function leftOutText(count: number, masking: RunnerConfig['runner']['masking']): string | undefined {
  if (count === 0 || !masking.enabled) return undefined;
  const which = count === 1 ? '1 secret of this task is' : `${count} secrets of this task are`;
  return (
    `Warning: ${which} not masked in this log, being shorter than ${masking.minLength} characters ` +
    '(runner.masking.min_length) or a common word.'
  );
}

/** Home of another user that tasks run as; users for services have none of their own, and get the project's directory. */
function homeOf({ home, owner }: TaskIdentity, workspace: TaskWorkspace): string | undefined {
  if (!owner) return undefined;
  const found = home === undefined ? undefined : statSync(home, { throwIfNoEntry: false });
  return found?.uid === owner.uid ? home : workspace.project;
}

/** Resolves with the outputs of a workflow task. */
async function runIn(
  workspace: TaskWorkspace,
  identity: TaskIdentity,
  secrets: readonly string[],
  input: RunTaskInput,
): Promise<string | undefined> {
  const { config, host, hostEnv, job, keys } = input;
  const { owner } = identity;
  // Once, so that a runner that is started from elsewhere has the same tools for the rest of the task.
  const baseEnv = await host.once('environment', async () => {
    const userHome = homeOf(identity, workspace);
    return processEnvironment({ config, hostEnv, projectDirectory: workspace.project, userHome });
  });
  const context = new TaskContext({ job, keys, config, host, workspace, baseEnv, owner });
  const app = findApp(job.template.app);
  try {
    app.check?.(context);
    const variables = readVariables(job);
    // First, so that a mapping that cannot be used is told before anything is fetched.
    await context.hostAccess();
    if (baseEnv['HOME'] === workspace.project) workspace.shareProjectHome();
    const home = await withFiles('prepare', 'Creating task home dir failed', () =>
      workspace.takeHome(job.repository.id, job.template.id),
    );
    const tree = await checkOut(context);
    // On a replay the step that runs has yet to be reached, to be stopped as it should be.
    if (host.signal.aborted && !host.resumed) throw new TaskStopped();
    const details = taskDetails(job, tree.commit ?? givenCommit(job), config.webHost);
    const outputs = await outputsOf(context, secrets);
    const taskEnv = {
      ...variables.env,
      ...(outputs ? { SEMAPHORE_OUTPUTS_FILE: outputs.file } : {}),
      ...identityVariables(job, config.webHost),
    };
    await app.run({ context, variables, details, taskEnv, directory: tree.directory, home, outputs });
    if (host.signal.aborted) throw new TaskStopped();
    return await outputs?.collect();
  } finally {
    await context.close();
  }
}

async function outputsOf(context: TaskContext, secrets: readonly string[]): Promise<TaskOutputs | undefined> {
  const { config, host, job, owner, workspace } = context;
  if (job.task.workflowRunId === undefined) return undefined;
  const { minLength } = config.runner.masking;
  return await withFiles('prepare', 'Failed to prepare task outputs', () =>
    openOutputs({ workspace, host, owner, secrets: { values: secrets, minLength } }),
  );
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
