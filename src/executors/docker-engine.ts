import { setTimeout as delay } from 'node:timers/promises';
import type { DockerExecutorConfig } from '../config/index.ts';
import { killCaptures } from '../execution/index.ts';
import { UserError } from '../lib/index.ts';
import type { ContainerEngine, ContainersRequest, OpenOptions, TaskContainers } from './containers/engine.ts';
import { labels } from './containers/task-container.ts';
import { checkCertificates, dockerCommand, engineName, type HostEnvironment } from './docker-engine/connection.ts';
import { containerName } from './docker-engine/container-arguments.ts';
import { callDocker, type DockerCommand } from './docker-engine/docker-cli.ts';
import { DockerContainers } from './docker-engine/docker-containers.ts';
import { failure } from './docker-engine/failures.ts';
import { lookAt } from './docker-engine/look-at.ts';
import { ContainersMaker } from './docker-engine/open-containers.ts';
import { quickMs } from './docker-engine/time-outs.ts';

export interface DockerEngineOptions {
  config: DockerExecutorConfig;
  /** Tells the things of this runner on the engine from those of others, for ever: value of a label. */
  owner: string;
  /** Of the runner: PATH, DOCKER_HOST, proxies, … */
  env: HostEnvironment;
}

/**
 * Runner tasks in containers of a Docker engine, here or elsewhere, by the `docker` command (spec 6.2, 6.4). Nothing of this machine is
 * mounted. For a runner that was killed: what it had called is ended first.
 */
export function createDockerEngine(options: DockerEngineOptions): ContainerEngine {
  return new DockerEngine(options);
}

class DockerEngine implements ContainerEngine {
  readonly type = 'docker';
  readonly #config: DockerExecutorConfig;
  readonly #owner: string;
  readonly #docker: DockerCommand;
  readonly #engine: string;

  constructor({ config, env, owner }: DockerEngineOptions) {
    this.#config = config;
    this.#owner = owner;
    this.#docker = dockerCommand(config, env, `docker-${owner}`);
    this.#engine = engineName(config, env);
    killCaptures(this.#docker.tag);
  }

  async check(): Promise<void> {
    checkCertificates(this.#config);
    const { network } = this.#config;
    const os = await this.#ask('use Docker', ['version', '--format', '{{.Server.Os}}']);
    if (os !== 'linux') {
      throw new UserError(`Cannot use Docker: ${this.#engine} runs ${os} containers`, {
        hint: 'Switch it to Linux containers.',
      });
    }
    // `container:x` is a network, too.
    if (!network.includes(':')) {
      await this.#ask(`use the network ${network}`, ['network', 'inspect', '--format', '{{.Id}}', network]);
    }
  }

  async open(request: ContainersRequest, options: OpenOptions): Promise<TaskContainers | undefined> {
    const containers = this.#containers(request.name);
    if (options.resumed) return (await this.#stillRuns(request.name, options)) ? containers : undefined;
    const made = { docker: this.#docker, engine: this.#engine, config: this.#config, owner: this.#owner, containers };
    try {
      await new ContainersMaker(made, request, options).make();
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
    const filter = ['--filter', `label=${labels.runner}=${this.#owner}`];
    const format = ['--format', `{{.Label "${labels.name}"}}`];
    const what = 'look for what an earlier runner left';
    const lists = await Promise.all([
      this.#ask(what, ['ps', '--all', ...filter, ...format]),
      this.#ask(what, ['volume', 'ls', ...filter, ...format]),
    ]);
    const left = new Set(lists.flatMap((list) => list.split('\n')).filter((name) => name !== '' && !names.has(name)));
    await Promise.all([...left].map((name) => this.#containers(name).remove(this.#config.cleanupGraceMs)));
    return [...left].sort();
  }

  #containers(name: string): DockerContainers {
    return new DockerContainers({ docker: this.#docker, engine: this.#engine, config: this.#config, name });
  }

  /** Both containers run. While the engine does not answer, it is not known, and waited for. */
  async #stillRuns(name: string, { say, signal }: OpenOptions): Promise<boolean> {
    for (let isFirst = true; ; isFirst = false) {
      signal.throwIfAborted();
      const looks = await Promise.all([
        lookAt(this.#docker, containerName(name, 'build')),
        lookAt(this.#docker, containerName(name, 'helper')),
      ]);
      const unknown = looks.find((look) => look.kind === 'unknown');
      if (unknown === undefined) return looks.every(({ kind }) => kind === 'running');
      if (isFirst) say(`Waiting for ${this.#engine}: ${unknown.reason}`);
      await delay(this.#config.pollIntervalMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** What the engine answers, without the end of its last line. Throws UserError. */
  async #ask(what: string, args: readonly string[]): Promise<string> {
    const result = await callDocker(this.#docker, args, { timeoutMs: quickMs });
    if (result.kind === 'ended' && result.code === 0) return result.stdout.trimEnd();
    throw failure({ what, engine: this.#engine }, result);
  }
}
