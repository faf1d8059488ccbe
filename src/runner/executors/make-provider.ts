import type { RunnerConfig } from '../../config/index.ts';
import type { Cgroups } from '../../execution/index.ts';
import {
  createContainerPlace,
  createDockerEngine,
  createKubernetesEngine,
  createLocalPlace,
  type ContainerEngine,
} from '../../executors/index.ts';
import type { Clock } from '../../lib/index.ts';
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
    return containersProvider({
      ...parts,
      engine,
      placeIn: (name) => createContainerPlace({ engine, config, hostEnv, name }),
    });
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
  const { docker, k8s } = config.runner.executor;
  return kind === 'docker'
    ? createDockerEngine({ config: docker, owner, env: hostEnv })
    : createKubernetesEngine({ config: k8s, owner, env: hostEnv });
}
