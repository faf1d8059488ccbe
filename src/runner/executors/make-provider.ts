import type { RunnerConfig } from '../../config/index.ts';
import type { Cgroups } from '../../execution/index.ts';
import { createDockerEngine, createLocalPlace, type ContainerEngine } from '../../executors/index.ts';
import { UserError, type Clock } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { Workspace } from '../../workspace/index.ts';
import { containersProvider } from './containers.ts';
import type { MakeProvider } from './executors.ts';
import { localProvider } from './local.ts';
import type { ExecutorProvider } from './types.ts';

export interface ProviderParts {
  config: RunnerConfig;
  /** For tasks on this machine. */
  workspace: Workspace;
  cgroups: Cgroups | undefined;
  /** For containers, see `ownerOf`. */
  owner: string;
  /** Environment of the runner itself. */
  hostEnv: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  logger: Logger;
}

/** What makes a provider for each kind of executor (spec 6.1). */
export function providerMaker(parts: ProviderParts): MakeProvider {
  const { cgroups, config, hostEnv, logger, workspace } = parts;
  const containers = (kind: 'docker' | 'k8s'): ExecutorProvider => {
    const engine = engineOf(kind, parts);
    return containersProvider({ ...parts, engine, placeIn: () => () => Promise.reject(notYet(kind)) });
  };
  return (kind) =>
    kind === 'local'
      ? localProvider({
          cgroups,
          logger,
          openPlace: createLocalPlace({ config, workspace, hostEnv }),
          abandon: (taskId) => workspace.abandon(taskId),
        })
      : containers(kind);
}

function engineOf(kind: 'docker' | 'k8s', { config, hostEnv, owner }: ProviderParts): ContainerEngine {
  if (kind === 'docker') return createDockerEngine({ config: config.runner.executor.docker, owner, env: hostEnv });
  throw notYet(kind);
}

function notYet(kind: string): UserError {
  return new UserError(`runner.executor.type "${kind}" is not available in this version.`, { hint: 'Use "local".' });
}
