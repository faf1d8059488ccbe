import { join } from 'node:path/posix';
import type { RunnerConfig } from '../config/index.ts';
import type { GitCredentials } from '../git/index.ts';
import { repositoryType, type Repository } from '../protocol/ui/index.ts';
import type { TaskContext } from './context.ts';
import { repositoryPassword } from './host-access.ts';
import { TaskProblem, TaskStopped } from './problem.ts';
import type { Commit, TreeRequest } from './types.ts';

export interface Tree {
  /** Absolute path of the checkout. */
  directory: string;
  commit: Commit | undefined;
}

/** The files of a repository: a local one, or a checkout of `revision` (spec 4.5, 5.5). Throws TaskProblem. */
export async function prepareTree(
  context: TaskContext,
  request: Pick<TreeRequest, 'repository' | 'revision' | 'name' | 'keyPrefix'>,
): Promise<Tree> {
  const { repository, revision } = request;
  const { host, place } = context;
  if (repositoryType(repository.gitUrl) === 'local') {
    if (revision.kind === 'commit') {
      host.log(`Repository ${repository.gitUrl} is used in place: ${revision.name} is not checked out`);
    }
    return await localTree(context, request);
  }
  const { git: access, ssh } = await context.hostAccess();
  const credentials = await credentialsFor(context, repository);
  const result = await place.checkOut({ ...request, credentials, access, ssh });
  switch (result.kind) {
    case 'done':
      return result;
    case 'stopped':
      throw new TaskStopped();
    case 'failed':
    default:
      throw new TaskProblem('clone', result.reason);
  }
}

async function localTree(
  { place }: TaskContext,
  { keyPrefix, repository: { gitUrl } }: Pick<TreeRequest, 'keyPrefix' | 'repository'>,
): Promise<Tree> {
  const directory = await place.localTree(gitUrl, keyPrefix);
  if (directory !== undefined) return { directory, commit: undefined };
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
