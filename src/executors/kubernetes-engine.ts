import type { KubernetesExecutorConfig } from '../config/index.ts';
import { messageOf, RemoteError, systemClock } from '../lib/index.ts';
import type { ContainerEngine, ContainersRequest, OpenOptions, TaskContainers } from './containers/engine.ts';
import { labels } from './containers/task-container.ts';
import type { KubernetesClient } from './kubernetes/index.ts';
import { failure, lazyClient, type HostEnvironment } from './kubernetes-engine/connection.ts';
import { isRunning } from './kubernetes-engine/fate.ts';
import { openPod } from './kubernetes-engine/open-pod.ts';
import { PodContainers } from './kubernetes-engine/pod-containers.ts';
import { KnownUsers } from './kubernetes-engine/pod-users.ts';

export interface KubernetesEngineOptions {
  config: KubernetesExecutorConfig;
  /** Tells the pods of this runner from those of others, for ever: value of a label. */
  owner: string;
  /** Of the runner: HOME, KUBECONFIG, proxies, … */
  env: HostEnvironment;
}

/** Runner tasks in pods of a Kubernetes cluster, by its API (spec 6.2, 6.3): one pod for each task, and nothing beside it. */
export function createKubernetesEngine(options: KubernetesEngineOptions): ContainerEngine {
  return new KubernetesEngine(options);
}

class KubernetesEngine implements ContainerEngine {
  readonly type = 'k8s';
  readonly #config: KubernetesExecutorConfig;
  readonly #owner: string;
  readonly #client: () => Promise<KubernetesClient>;
  readonly #known = new KnownUsers();

  constructor({ config, env, owner }: KubernetesEngineOptions) {
    this.#config = config;
    this.#owner = owner;
    this.#client = lazyClient(config, env);
  }

  async check(): Promise<void> {
    await this.#ownPods('use Kubernetes');
  }

  async open(request: ContainersRequest, options: OpenOptions): Promise<TaskContainers | undefined> {
    const containers = this.#containers(request.name);
    if (options.resumed) return (await this.#stillRuns(request.name, options)) ? containers : undefined;
    try {
      const client = await this.#client().catch((error: unknown) => {
        throw failure('use Kubernetes', error);
      });
      const parts = { client, config: this.#config, owner: this.#owner, containers, known: this.#known };
      await openPod(parts, request, options);
      return containers;
    } catch (error: unknown) {
      // The first error is the one to tell; what stays because of the second is swept later.
      await containers.remove(0).catch(() => undefined);
      throw error;
    }
  }

  find(name: string): TaskContainers {
    return this.#containers(name);
  }

  async sweep(names: ReadonlySet<string>): Promise<string[]> {
    const pods = await this.#ownPods('look for what an earlier runner left');
    const left = pods.map(({ metadata }) => metadata.name).filter((name) => !names.has(name));
    await Promise.all(left.map((name) => this.#containers(name).remove(this.#config.cleanupGraceMs)));
    return left.sort();
  }

  #containers(name: string): PodContainers {
    return new PodContainers({ client: this.#client, name, pollMs: Math.min(this.#config.pollIntervalMs, 1000) });
  }

  async #ownPods(what: string) {
    try {
      return await (await this.#client()).listPods(`${labels.runner}=${this.#owner}`);
    } catch (error: unknown) {
      throw failure(what, error);
    }
  }

  /** Both containers run. While the API does not answer, it is not known, and waited for. */
  async #stillRuns(name: string, { say, signal }: OpenOptions): Promise<boolean> {
    for (let isFirst = true; ; isFirst = false) {
      signal.throwIfAborted();
      try {
        const pod = await (await this.#client()).getPod(name, signal);
        return pod !== undefined && isRunning(pod);
      } catch (error: unknown) {
        signal.throwIfAborted();
        if (!(error instanceof RemoteError && error.retryable)) throw failure(`look for the pod ${name}`, error);
        if (isFirst) say(`Waiting for the cluster: ${messageOf(error)}`);
      }
      await systemClock.sleep(this.#config.pollIntervalMs, signal).catch(() => undefined);
    }
  }
}
