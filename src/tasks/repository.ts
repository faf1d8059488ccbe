import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunnerConfig } from '../config/index.ts';
import { checkout, parseRemote, type GitCredentials, type Revision } from '../git/index.ts';
import { repositoryType, type Repository } from '../protocol/ui/index.ts';
import type { TaskContext } from './context.ts';
import { repositoryPassword } from './host-access.ts';
import { TaskProblem, TaskStopped } from './problem.ts';
import type { Commit } from './types.ts';

export interface Tree {
  /** Absolute path of the checkout. */
  directory: string;
  commit: Commit | undefined;
}

export interface TreeRequest {
  repository: Repository;
  revision: Revision;
  /** Directory to check out into; unused for a local repository. */
  directory: () => string;
  /** Names the git steps. */
  keyPrefix: string;
}

/** The files of a repository: a local one in place, any other as a checkout of `revision` (spec 4.5, 5.5). */
export async function prepareTree(context: TaskContext, request: TreeRequest): Promise<Tree> {
  const { repository, revision } = request;
  const { config, host, workspace } = context;
  if (repositoryType(repository.gitUrl) === 'local') {
    if (revision.kind === 'commit') {
      host.log(`Repository ${repository.gitUrl} is used in place: ${revision.name} is not checked out`);
    }
    return await localTree(context, request);
  }
  const access = await context.hostAccess();
  const result = await checkout(
    {
      url: repository.gitUrl,
      revision,
      credentials: await credentialsFor(context, repository),
      access: access.git,
      mirror: workspace.shareMirror(repository.id, parseRemote(repository.gitUrl).url),
      directory: request.directory(),
      privateDirectory: workspace.private,
      keyPrefix: request.keyPrefix,
      env: context.baseEnv,
      ssh: access.ssh,
      attempts: config.gitAttempts,
      stop: { signal: 'SIGTERM', graceMs: config.runner.stopGraceMs },
      ...context.owner,
    },
    {
      signal: host.signal,
      run: (step) => host.run({ ...step, phase: 'clone' }),
      capture: (step) => host.capture({ ...step, phase: 'clone' }),
      tail: (key) => host.tail(key),
      log: (line) => host.log(line),
      once: (key, work) => host.once(key, work),
      resumed: host.resumed,
    },
  );
  switch (result.kind) {
    case 'done':
      return { directory: request.directory(), commit: result.commit };
    case 'stopped':
      throw new TaskStopped();
    case 'failed':
    default:
      throw new TaskProblem('clone', result.reason);
  }
}

async function localTree({ host }: TaskContext, { keyPrefix, repository }: TreeRequest): Promise<Tree> {
  const { gitUrl } = repository;
  // Why it cannot be seen does not matter to whoever reads that it is not there.
  const found = await host.once(keyPrefix, () =>
    stat(gitUrl).then(
      (one) => one.isDirectory(),
      () => false,
    ),
  );
  if (found) return { directory: gitUrl, commit: undefined };
  throw new TaskProblem(
    'clone',
    `Failed in finding static repository: there is no directory ${gitUrl} on this machine`,
    'A local repository must exist on the machine of the runner that takes the task.',
  );
}

async function credentialsFor(context: TaskContext, repository: Repository): Promise<GitCredentials> {
  const key = context.keys.get(repository.sshKeyId);
  if (key?.type === 'ssh') return { kind: 'agent', socket: await context.agentSocket(key, 'clone') };
  return repositoryPassword(key);
}

/** The branch of a task: the repository's, the template's instead, the task's instead where that is allowed (spec 5.3). */
export function effectiveBranch(context: Pick<TaskContext, 'job'>): string {
  const { repository, task, template } = context.job;
  const allowed = template.allowOverrideBranchInTask ? task.gitBranch : undefined;
  return allowed ?? template.gitBranch ?? repository.gitBranch;
}

/** Home of the template's tools where the mode asks for one of its own. */
export function ansibleHome(config: RunnerConfig, home: string | undefined): Record<string, string> {
  return config.homeDirMode === 'template_dir' && home !== undefined ? { ANSIBLE_HOME: join(home, '.ansible') } : {};
}
