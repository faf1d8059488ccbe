import { setTimeout as delay } from 'node:timers/promises';
import type { DockerExecutorConfig } from '../../config/index.ts';
import { UserError } from '../../lib/index.ts';
import type { ContainerRole, ExecRequest, ExecResult, TaskContainers } from '../containers/engine.ts';
import { countKills, killsIn, killsText, labels } from '../containers/task-container.ts';
import { containerName } from './container-arguments.ts';
import { callDocker, type DockerCommand } from './docker-cli.ts';
import { execInContainer } from './exec-in-container.ts';
import { failure } from './failures.ts';
import { lookAt } from './look-at.ts';
import { quickMs, slowMs } from './time-outs.ts';

/** So often is it tried to remove what others (or the engine itself) are removing, too. */
const removeAttempts = 5;
/** Between two of them, milliseconds. */
const againMs = 500;

export interface DockerContainersOptions {
  docker: DockerCommand;
  engine: string;
  config: DockerExecutorConfig;
  name: string;
}

/** The containers and volumes of one task on a Docker engine; they need not be there. */
export class DockerContainers implements TaskContainers {
  readonly name: string;
  readonly #options: DockerContainersOptions;

  constructor(options: DockerContainersOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async exec(role: ContainerRole, request: ExecRequest): Promise<ExecResult> {
    const { config, docker } = this.#options;
    const { memoryLimit } = config;
    return execInContainer({ docker, container: containerName(this.name, role), role, memoryLimit }, request);
  }

  async hits(): Promise<string[]> {
    const { config, docker } = this.#options;
    if (config.memoryLimit === undefined) return [];
    const kills = await this.#kills();
    const look = kills > 0 ? undefined : await lookAt(docker, containerName(this.name, 'build'));
    if (kills === 0 && !(look?.kind === 'ended' && look.outOfMemory)) return [];
    return [killsText(kills, `${config.memoryLimit}, runner.executor.docker.memory_limit`)];
  }

  async #kills(): Promise<number> {
    const printed: Buffer[] = [];
    const argv = ['/bin/sh', '-c', countKills];
    const signal = AbortSignal.timeout(quickMs);
    await this.exec('build', { argv, signal, onStdout: (bytes) => printed.push(bytes) });
    return killsIn(Buffer.concat(printed).toString('latin1'));
  }

  async remove(graceMs: number): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { containers, volumes } = await this.#left();
      if (containers.length + volumes.length === 0) return;
      if (attempt > removeAttempts) {
        throw new UserError(`Cannot remove ${[...containers, ...volumes].join(', ')} from ${this.#options.engine}`, {
          hint: 'Something holds it; docker rm --force and docker volume rm tell what.',
        });
      }
      if (attempt > 1) await delay(againMs);
      await this.#removeOnce(containers, volumes, graceMs);
    }
  }

  async #removeOnce(containers: readonly string[], volumes: readonly string[], graceMs: number): Promise<void> {
    const { docker } = this.#options;
    const grace = String(Math.ceil(graceMs / 1000));
    // What fails is still there afterwards, and tried again.
    const stop = { timeoutMs: graceMs + slowMs };
    await Promise.all(containers.map((id) => callDocker(docker, ['stop', '-t', grace, id], stop)));
    if (containers.length > 0) {
      await callDocker(docker, ['rm', '--force', '--volumes', ...containers], { timeoutMs: slowMs });
    }
    if (volumes.length > 0) {
      await callDocker(docker, ['volume', 'rm', '--force', ...volumes], { timeoutMs: slowMs });
    }
  }

  /** What is there of it, also of what was only begun. Throws UserError. */
  async #left(): Promise<{ containers: string[]; volumes: string[] }> {
    const filter = ['--filter', `label=${labels.name}=${this.name}`];
    const [containers, volumes] = await Promise.all([
      this.#list(['ps', '--all', '--no-trunc', ...filter, '--format', '{{.Names}}']),
      this.#list(['volume', 'ls', ...filter, '--format', '{{.Name}}']),
    ]);
    return { containers, volumes };
  }

  async #list(args: readonly string[]): Promise<string[]> {
    const { docker, engine } = this.#options;
    const result = await callDocker(docker, args, { timeoutMs: quickMs });
    if (result.kind !== 'ended' || result.code !== 0) {
      throw failure({ what: `see what is left of ${this.name}`, engine }, result);
    }
    return result.stdout.split('\n').filter((line) => line !== '');
  }
}
