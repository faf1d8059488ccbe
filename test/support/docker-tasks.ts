import type { DockerExecutorConfig } from '../../src/config/index.ts';
import type { ContainerEngine, TaskContainers } from '../../src/executors/containers/engine.ts';
import { busyboxImage, debianImage, docker } from './docker/index.ts';

/** Busybox for the tools, Debian for git; nothing is pulled. */
export function dockerConfig(changes: Partial<DockerExecutorConfig> = {}): DockerExecutorConfig {
  return {
    host: undefined,
    tlsVerify: false,
    certPath: undefined,
    image: busyboxImage,
    helperImage: debianImage,
    network: 'none',
    pullPolicy: 'never',
    cpuLimit: undefined,
    memoryLimit: undefined,
    memoryLimitBytes: undefined,
    pollIntervalMs: 200,
    cleanupGraceMs: 1000,
    privileged: false,
    ...changes,
  };
}

export interface OpenedOptions {
  name: string;
  image?: string;
  signal?: AbortSignal;
  say?: (line: string) => void;
  resumed?: boolean;
}

/** Opens the containers of task 7. Rejects when there are none. */
export async function opened(engine: ContainerEngine, options: OpenedOptions): Promise<TaskContainers> {
  const { image, name, resumed = false, say = () => undefined, signal = new AbortController().signal } = options;
  const containers = await engine.open({ name, taskId: 7, image }, { signal, say, resumed });
  if (!containers) throw new Error('the containers are gone');
  return containers;
}

/** Containers and volumes on the engine that belong to the task with this name. */
export async function thingsOf(name: string): Promise<string[]> {
  const filter = ['--filter', `label=semaphoreui.com/pod-name=${name}`];
  const lists = await Promise.all([
    docker(['ps', '--all', ...filter, '--format', '{{.Names}}']),
    docker(['volume', 'ls', ...filter, '--format', '{{.Name}}']),
  ]);
  return lists.flatMap((list) => list.split('\n')).filter((line) => line !== '');
}
