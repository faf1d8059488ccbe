import type { RunnerConfig } from '../config/index.ts';
import { codeOf, messageOf, removeTree, shortageHint, UserError } from '../lib/index.ts';
import type { JobData } from '../protocol/ui/index.ts';
import { openHandOvers } from '../secrets/index.ts';
import { startSshAgent } from '../ssh/index.ts';
import type { OpenPlace, TaskHost, TaskPlace } from '../tasks/types.ts';
import type { TaskWorkspace, Workspace } from '../workspace/index.ts';
import { localFiles } from './local-place/files.ts';
import { hostAs, identityOf, type Owner, type TaskIdentity } from './local-place/identity.ts';
import { homeOf, processEnvironment } from './local-place/process-environment.ts';
import { socketDirectory } from './local-place/socket-directory.ts';
import { checkOut, localTree } from './local-place/tree.ts';

export interface LocalPlaceOptions {
  config: RunnerConfig;
  /** The directories of this runner's tasks. */
  workspace: Workspace;
  /** Environment of the runner itself. */
  hostEnv: Readonly<Record<string, string | undefined>>;
}

/** Tasks run on this machine: in the runner's work root, as the user that the configuration names. */
export function createLocalPlace(options: LocalPlaceOptions): OpenPlace {
  return (job, host) => open(options, job, host);
}

async function open({ config, hostEnv, workspace }: LocalPlaceOptions, job: JobData, host: TaskHost) {
  // At once, before any other task could take what this one has.
  if (host.resumed) workspace.reserve(job.task.projectId, job.task.id);
  const identity = await identityOf(config.process, host, hostEnv['PATH'] ?? '');
  const directories = await openDirectories(workspace, job, host, identity.owner);
  try {
    return await readyPlace(config, hostEnv, identity, directories, hostAs(host, identity.process));
  } catch (error: unknown) {
    await directories.close();
    throw error;
  }
}

async function openDirectories(
  workspace: Workspace,
  { task }: JobData,
  { resumed }: TaskHost,
  owner: Owner | undefined,
): Promise<TaskWorkspace> {
  try {
    return await workspace.openTask(task.projectId, task.id, owner, { resumed });
  } catch (error: unknown) {
    throw filesError(error, 'Creating tmp dir failed: ');
  }
}

async function readyPlace(
  config: RunnerConfig,
  hostEnv: LocalPlaceOptions['hostEnv'],
  identity: TaskIdentity,
  directories: TaskWorkspace,
  host: TaskHost,
): Promise<TaskPlace> {
  const { owner } = identity;
  // Once, so that a runner that is started from elsewhere has the same tools for the rest of the task.
  const baseEnv = await host.once('environment', () => {
    const userHome = homeOf(identity, directories.project);
    return Promise.resolve(processEnvironment({ config, hostEnv, projectDirectory: directories.project, userHome }));
  });
  const closers: (() => Promise<void>)[] = [];
  return {
    host,
    files: localFiles(owner),
    baseEnv,
    ssh: config.ssh,
    toolsAt: "on the runner's machine",
    privateDirectory: directories.private,
    writePrivate: (name, content) => withHint(directories.writePrivate(name, content)),
    takeHome: (repositoryId, templateId) => {
      if (baseEnv['HOME'] === directories.project) directories.shareProjectHome();
      return withHint(directories.takeHome(repositoryId, templateId));
    },
    handOver: async (handOvers) => {
      closers.push(await openHandOvers(handOvers, { signal: host.signal, ...owner }));
    },
    startAgent: async (name, keys) => {
      const agent = await startSshAgent({ keys, name, directory: directories.private, host, env: baseEnv, owner });
      closers.push(() => agent.close());
      return agent.socketPath;
    },
    socketDirectory: async (name, maxBytes) => {
      const directory = await socketDirectory({ name, maxBytes, within: directories.private, host, owner });
      // Nothing in the private directory is removed one by one; a killed tool leaves its socket.
      if (directory.parent !== directories.private) closers.push(() => removeTree(directory.path, directory.parent));
      return directory.path;
    },
    checkOut: (request) => checkOut(request, { config, directories, host, baseEnv, owner }),
    localTree: (path, key) => localTree(path, key, host),
    close: async () => {
      // All of them, also when one fails: none may outlive the task.
      await Promise.allSettled(closers.splice(0).map((close) => close()));
      await directories.close();
    },
  };
}

async function withHint<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error: unknown) {
    throw filesError(error);
  }
}

/** What became of a file in the work root, with what to do about it. */
function filesError(error: unknown, what = ''): UserError {
  const known = error instanceof UserError ? error.hint : undefined;
  const hint = known ?? shortageHint(codeOf(error)) ?? 'Check tmp_path.';
  return new UserError(`${what}${messageOf(error)}`, { hint, cause: error });
}
