import { stat } from 'node:fs/promises';
import { UserError } from '../../lib/index.ts';
import { clone, type GitHost } from '../../git/index.ts';
import type { TaskHost, TreeRequest, TreeResult } from '../../tasks/types.ts';
import { askContainer } from './asking.ts';
import type { ContainerFiles } from './container-files.ts';
import type { InContainer } from './container-processes.ts';
import type { ContainerRole, TaskContainers } from './engine.ts';
import type { ContainerFacts } from './facts.ts';
import { sendTree } from './send-tree.ts';

export interface TreeContext {
  containers: TaskContainers;
  host: TaskHost;
  facts: Record<ContainerRole, ContainerFacts>;
  files: ContainerFiles;
  /** What git starts from in the helper container. */
  helperEnv: Readonly<Record<string, string>>;
  helperImage: string;
  /** Key of the configuration that names it. */
  helperKey: string;
  privateDirectory: string;
  attempts: number;
  stopGraceMs: number;
}

/** Makes a tree the user's; only root has to, see `prepareContainers`. Arguments: directory, user, group. */
const giveScript = 'chown -R "$2:$3" "$1"';

/** Where the tree of a request belongs (spec 6.3): that of the task is `/workspace/repo`, others lie beside it. */
export function treeDirectory(keyPrefix: string): string {
  return keyPrefix === 'clone' ? '/workspace/repo' : `/workspace/${keyPrefix.replaceAll(/[^A-Za-z0-9._-]/g, '-')}`;
}

/** Checks a repository out by git in the helper container. */
export async function checkOutInContainer(request: TreeRequest, context: TreeContext): Promise<TreeResult> {
  const { access, credentials, keyPrefix, repository, revision, ssh } = request;
  const { attempts, facts, files, helperEnv, helperImage, helperKey, host, privateDirectory, stopGraceMs } = context;
  if (!facts.helper.hasGit) {
    return {
      kind: 'failed',
      reason: `there is no git in the helper image ${helperImage}. Let ${helperKey} name one that has it.`,
    };
  }
  const directory = treeDirectory(keyPrefix);
  const file = `${privateDirectory}/${keyPrefix}-credentials`;
  const result = await clone(
    {
      url: repository.gitUrl,
      revision,
      credentials,
      access,
      directory,
      handOver: async (content) => {
        await files.putPrivate([{ path: file, content }]);
        return file;
      },
      makeRoom: () => makeRoom(directory, context),
      keyPrefix,
      env: helperEnv,
      ssh,
      attempts,
      stop: { signal: 'SIGTERM', graceMs: stopGraceMs },
    },
    helperHost(host),
  );
  // Nothing but git needs it.
  if (credentials.kind === 'password') await files.remove(file).catch(() => undefined);
  if (result.kind !== 'done') return result;
  await giveToUser(directory, context);
  return { ...result, directory };
}

/** Brings a local repository from the machine of the runner. */
export async function localTreeInContainer(
  path: string,
  key: string,
  context: TreeContext,
): Promise<string | undefined> {
  const { containers, host } = context;
  const to = treeDirectory(key);
  const isThere = await host.once(key, async () => {
    // Why it cannot be seen does not matter to whoever reads that it is not there.
    const isDirectory = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isDirectory) return false;
    host.remark(`Copying ${path} into the container`);
    const scratch = `/workspace/.semaphore-pieces-${key}`;
    await sendTree({ containers, role: 'helper', from: path, to, scratch, signal: host.signal });
    return true;
  });
  if (!isThere) return undefined;
  await giveToUser(to, context);
  return to;
}

async function giveToUser(directory: string, { containers, facts, host }: TreeContext): Promise<void> {
  const { build, helper } = facts;
  if (build.uid === helper.uid || build.uid === 0) return;
  await host.once(`give ${directory}`, async () => {
    const args = [directory, String(build.uid), String(build.gid)];
    const given = await askContainer({ containers, role: 'helper', script: giveScript, args, signal: host.signal });
    if (given.code !== 0) {
      throw new UserError(`${directory} cannot be given to the user of the task: ${given.stderr.trim()}`);
    }
    return true;
  });
}

async function makeRoom(directory: string, { containers, host }: TreeContext): Promise<void> {
  const script = 'rm -rf "$1"';
  const removed = await askContainer({ containers, role: 'helper', script, args: [directory], signal: host.signal });
  if (removed.code !== 0) {
    throw new UserError(`${directory} cannot be removed for another attempt to clone: ${removed.stderr.trim()}`);
  }
}

/** Runs git in the helper container. */
function helperHost(host: TaskHost): GitHost {
  const there = <Spec extends object>(spec: Spec): Spec & InContainer => ({ ...spec, container: 'helper' });
  return {
    signal: host.signal,
    run: (step) => host.run(there({ ...step, phase: 'clone' })),
    capture: (step) => host.capture(there({ ...step, phase: 'clone' })),
    tail: (key) => host.tail(key),
    log: (line) => host.log(line),
    once: (key, work) => host.once(key, (inner) => work(helperHost(inner))),
    resumed: host.resumed,
  };
}
