import type { RunnerConfig } from '../config/index.ts';
import { messageOf, UserError } from '../lib/index.ts';
import type { AccessKey, JobData } from '../protocol/ui/index.ts';
import { SecretRegistry } from '../secrets/index.ts';
import { checkoutName } from '../workspace/index.ts';
import { findApp } from './apps/index.ts';
import { collectSecrets } from './collect-secrets.ts';
import { TaskContext } from './context.ts';
import { openOutputs, type TaskOutputs } from './outputs/index.ts';
import { reasonOf, TaskProblem, TaskStopped, withFiles } from './problem.ts';
import { effectiveBranch, prepareTree, type Tree } from './repository.ts';
import { identityVariables, taskDetails } from './task-details.ts';
import type { OpenPlace, TaskHost, TaskOutcome, TaskPlace } from './types.ts';
import { readVariables } from './variables.ts';

export interface RunTaskInput {
  job: JobData;
  /** Keys by id; what is missing counts as no credentials (spec 3.5). */
  keys: ReadonlyMap<number, AccessKey>;
  config: RunnerConfig;
  host: TaskHost;
  /** Where the task runs. */
  openPlace: OpenPlace;
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
  let place: TaskPlace | undefined;
  try {
    const { leftOut, secrets } = registerSecrets(input);
    host.log(`Preparing: ${job.task.id}`);
    if (leftOut !== undefined) host.log(leftOut);
    if (host.signal.aborted && !host.resumed) return { kind: 'stopped' };
    place = await openPlace(input);
    return { kind: 'success', outputs: await runIn(place, secrets, input) };
  } catch (error: unknown) {
    if (error instanceof TaskStopped || host.signal.aborted) return { kind: 'stopped' };
    if (error instanceof TaskProblem) return { kind: 'failed', reason: reasonOf(error, place) };
    throw error;
  } finally {
    await place?.close().catch((error: unknown) => {
      host.log(`Can't remove the files of this task, error: ${messageOf(error)}`);
    });
  }
}

/** Throws TaskProblem when there is no place to be had. */
async function openPlace({ host, job, openPlace: open }: RunTaskInput): Promise<TaskPlace> {
  try {
    return await open(job, host);
  } catch (error: unknown) {
    if (error instanceof UserError) throw new TaskProblem('prepare', error.message, error.hint);
    throw error;
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

/** Resolves with the outputs of a workflow task. */
async function runIn(
  place: TaskPlace,
  secrets: readonly string[],
  { config, job, keys }: RunTaskInput,
): Promise<string | undefined> {
  const { host } = place;
  const context = new TaskContext({ job, keys, config, place });
  const app = findApp(job.template.app);
  try {
    app.check?.(context);
    const variables = readVariables(job);
    // First, so that a mapping that cannot be used is told before anything is fetched.
    await context.hostAccess();
    const home = await withFiles('prepare', 'Creating task home dir failed', () =>
      place.takeHome(job.repository.id, job.template.id),
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
  const { config, job, place } = context;
  if (job.task.workflowRunId === undefined) return undefined;
  const { minLength } = config.runner.masking;
  return await withFiles('prepare', 'Failed to prepare task outputs', () =>
    openOutputs(place, { values: secrets, minLength }),
  );
}

/** The repository of the task; reports the commit unless the server has named one (spec 5.5). */
async function checkOut(context: TaskContext): Promise<Tree> {
  const { host, job } = context;
  const branch = effectiveBranch(context);
  const { commitHash } = job.task;
  const tree = await prepareTree(context, {
    repository: job.repository,
    revision: commitHash === undefined ? { kind: 'branch', name: branch } : { kind: 'commit', name: commitHash },
    name: checkoutName({ repositoryId: job.repository.id, templateId: job.template.id, branch }),
    keyPrefix: 'clone',
  });
  if (commitHash === undefined && tree.commit) host.setCommit(tree.commit);
  return tree;
}

function givenCommit(job: JobData) {
  const { commitHash, commitMessage } = job.task;
  return commitHash === undefined ? undefined : { hash: commitHash, message: commitMessage ?? '' };
}
