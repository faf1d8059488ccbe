import { stat } from 'node:fs/promises';
import type { RunnerConfig } from '../../config/index.ts';
import { checkout, parseRemote, type GitHost } from '../../git/index.ts';
import type { TaskHost, TreeRequest, TreeResult } from '../../tasks/types.ts';
import type { TaskWorkspace } from '../../workspace/index.ts';
import type { Owner } from './identity.ts';

export interface TreeContext {
  config: RunnerConfig;
  directories: TaskWorkspace;
  host: TaskHost;
  baseEnv: Readonly<Record<string, string>>;
  /** User that the tools run as, when it is not our own. */
  owner: Owner | undefined;
}

/** Checks a repository out by way of its mirror, which other tasks use, too. */
export async function checkOut(request: TreeRequest, context: TreeContext): Promise<TreeResult> {
  const { access, credentials, keyPrefix, name, repository, revision, ssh } = request;
  const { baseEnv, config, directories, host, owner } = context;
  const mirror = directories.shareMirror(repository.id, parseRemote(repository.gitUrl).url);
  const directory = directories.takeCheckout(name);
  const result = await checkout(
    {
      url: repository.gitUrl,
      revision,
      credentials,
      access,
      mirror,
      directory,
      privateDirectory: directories.private,
      keyPrefix,
      env: baseEnv,
      ssh,
      attempts: config.gitAttempts,
      stop: { signal: 'SIGTERM', graceMs: config.runner.stopGraceMs },
      ...owner,
    },
    gitHost(host),
  );
  return result.kind === 'done' ? { ...result, directory } : result;
}

/** A local repository is used in place. */
export async function localTree(path: string, key: string, host: TaskHost): Promise<string | undefined> {
  // Why it cannot be seen does not matter to whoever reads that it is not there.
  const found = await host.once(key, () =>
    stat(path).then(
      (one) => one.isDirectory(),
      () => false,
    ),
  );
  return found ? path : undefined;
}

function gitHost(host: TaskHost): GitHost {
  return {
    signal: host.signal,
    run: (step) => host.run({ ...step, phase: 'clone' }),
    capture: (step) => host.capture({ ...step, phase: 'clone' }),
    tail: (key) => host.tail(key),
    log: (line) => host.log(line),
    once: (key, work) => host.once(key, (inner) => work(gitHost(inner))),
    resumed: host.resumed,
  };
}
