import type { DockerExecutorConfig } from '../../config/index.ts';
import type { ContainerRole } from '../containers/engine.ts';
import { idle, labels } from '../containers/task-container.ts';

/** Room for keys, passwords, variables, in memory. */
const secretsSize = '64m';

export interface TaskLabels {
  name: string;
  taskId: number;
  /** Value of the runner's label. */
  owner: string;
}

export function containerName(name: string, role: ContainerRole): string {
  return `${name}-${role}`;
}

export function volumeName(name: string, volume: 'workspace' | 'secrets'): string {
  return `${name}-${volume}`;
}

/** Arguments that make a volume: `workspace` on the engine's disk, `secrets` in its memory. */
export function volumeArguments(task: TaskLabels, volume: 'workspace' | 'secrets'): string[] {
  const inMemory = ['type=tmpfs', 'device=tmpfs', `o=size=${secretsSize},mode=0700,nosuid,nodev`];
  return [
    'volume',
    'create',
    ...labelArguments(task),
    ...(volume === 'secrets' ? ['--driver', 'local', ...inMemory.flatMap((option) => ['--opt', option])] : []),
    volumeName(task.name, volume),
  ];
}

export interface ContainerPlan extends TaskLabels {
  role: ContainerRole;
  image: string;
  /** `uid:gid`; undefined: the image's own. */
  user: string | undefined;
  config: DockerExecutorConfig;
}

/** Arguments that make and start a container which waits. What the image says it is to run is not run. */
export function containerArguments(plan: ContainerPlan): string[] {
  const { config, image, name, role, user } = plan;
  const { cpuLimit, memoryLimitBytes } = config;
  const mount = (volume: 'workspace' | 'secrets') => [
    '--mount',
    `type=volume,src=${volumeName(name, volume)},dst=/${volume},volume-nocopy`,
  ];
  return [
    'run',
    '--detach',
    '--pull=never',
    `--name=${containerName(name, role)}`,
    ...labelArguments(plan),
    '--init',
    '--no-healthcheck',
    '--restart=no',
    '--log-driver=none',
    `--network=${config.network}`,
    ...mount('workspace'),
    ...mount('secrets'),
    ...(user === undefined ? [] : ['--user', user]),
    ...(cpuLimit === undefined ? [] : ['--cpus', String(cpuLimit)]),
    // Together with swap: as much as without.
    ...(memoryLimitBytes === undefined
      ? []
      : ['--memory', String(memoryLimitBytes), '--memory-swap', String(memoryLimitBytes)]),
    ...(config.privileged && role === 'build' ? ['--privileged'] : []),
    '--entrypoint=/bin/sh',
    image,
    '-c',
    idle,
    'semaphore-idle',
  ];
}

function labelArguments({ name, owner, taskId }: TaskLabels): string[] {
  const values = [`${labels.taskId}=${taskId}`, `${labels.runner}=${owner}`, `${labels.name}=${name}`];
  return values.flatMap((value) => ['--label', value]);
}
