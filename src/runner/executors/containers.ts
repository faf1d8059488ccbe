import { createHash } from 'node:crypto';
import type { RunnerConfig } from '../../config/index.ts';
import type { JobDirectory } from '../../execution/index.ts';
import { createContainerHost, type ContainerEngine, type TaskContainers } from '../../executors/index.ts';
import { messageOf, UserError, type Clock } from '../../lib/index.ts';
import type { OpenPlace } from '../../tasks/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { HeldStop } from './held-stop.ts';
import { Persistence } from './persistence.ts';
import { Replay, type MakeHost } from './replay.ts';
import { recordedExecutor, type ExecutorProvider, type TaskExecutor, type TaskRequest } from './types.ts';

export interface ContainersProviderOptions {
  engine: ContainerEngine;
  config: RunnerConfig;
  /** Where a task runs whose containers have this name. */
  placeIn: (name: string) => OpenPlace;
  clock: Clock;
  logger: Logger;
}

/** Every task runs in containers of its own on an engine. */
export function containersProvider(options: ContainersProviderOptions): ExecutorProvider {
  return new ContainersProvider(options);
}

/**
 *     unchecked ──start──▶ usable ◀──next task finds that it works again──┐
 *                   └──does not work──▶ unusable: tasks fail with the reason
 */
class ContainersProvider implements ExecutorProvider {
  readonly kind: 'docker' | 'k8s';
  readonly #options: ContainersProviderOptions;
  readonly #persistence: Persistence;
  /** Names of containers that are not to be swept. */
  readonly #known = new Set<string>();
  #isUsable = true;

  constructor(options: ContainersProviderOptions) {
    const { clock, config, engine, logger } = options;
    this.kind = engine.type;
    this.#options = options;
    const retryMs = config.runner.executor[engine.type].pollIntervalMs;
    this.#persistence = new Persistence({ clock, logger, retryMs });
  }

  async start(): Promise<void> {
    const { engine, logger } = this.#options;
    try {
      await engine.check();
    } catch (error: unknown) {
      this.#isUsable = false;
      const hint = error instanceof UserError && error.hint !== undefined ? { hint: error.hint } : {};
      logger.error('Tasks cannot run as runner.executor says; they fail until that is put right', {
        executor: this.kind,
        error: messageOf(error),
        ...hint,
      });
    }
  }

  note(taskId: number, directory: JobDirectory): void {
    directory.record({ type: 'executor', kind: this.kind, containers: nameOf(taskId, directory) });
  }

  attach(request: TaskRequest): TaskExecutor {
    const { clock, engine, placeIn } = this.#options;
    const { beginning, taskId, directory, ...rest } = request;
    const recorded = recordedExecutor(directory);
    const containers = engine.find(
      recorded && 'containers' in recorded ? recorded.containers : nameOf(taskId, directory),
    );
    this.#known.add(containers.name);
    const cleanUp = (): Promise<void> => this.#remove(taskId, containers);
    const stop = new HeldStop(rest.signal, beginning === 'play', clock);
    const { signal } = stop;
    const makeHost: MakeHost = (how) => createContainerHost({ ...rest, ...how, signal, directory, containers });
    const replay = new Replay(beginning, makeHost, () => stop.release());
    return {
      host: replay.host,
      sayLast: (line) => replay.sayLast(line),
      openPlace: this.#whenUsable(placeIn(containers.name)),
      stopEarlier: cleanUp,
      end: () => containers.hits?.() ?? Promise.resolve([]),
      cleanUp,
    };
  }

  async sweep(): Promise<void> {
    const { engine, logger } = this.#options;
    const sweep = async (): Promise<void> => {
      const removed = await engine.sweep(this.#known);
      if (removed.length === 0) return;
      logger.info('Removed the containers that an earlier run left', {
        removed: removed.length,
        names: removed.join(','),
      });
    };
    await this.#persistence.run(sweep, {
      failed: 'Cannot remove the containers that an earlier run left; it is tried again',
      done: 'Nothing of an earlier run is left any more',
      fields: { executor: this.kind },
    });
  }

  close(): void {
    this.#persistence.close();
  }

  async #remove(taskId: number, containers: TaskContainers): Promise<void> {
    const { config } = this.#options;
    const { name } = containers;
    const remove = async (): Promise<void> => {
      await containers.remove(config.runner.executor[this.kind].cleanupGraceMs);
      this.#known.delete(name);
    };
    await this.#persistence.run(remove, {
      failed: 'Cannot remove the containers of the task; it is tried again',
      done: 'The containers of the task are removed at last',
      fields: { task_id: taskId, containers: name },
    });
  }

  /** What did not work at the start may have been put right meanwhile. */
  #whenUsable(open: OpenPlace): OpenPlace {
    return async (job, host) => {
      if (!this.#isUsable) {
        await this.#options.engine.check();
        this.#isUsable = true;
        this.#options.logger.info('Tasks can run as runner.executor says again', { executor: this.kind });
      }
      return open(job, host);
    };
  }
}

/** Unique on the engine, also for tasks that come twice: the tag of the directory is random. */
function nameOf(taskId: number, { tag }: JobDirectory): string {
  return `semaphore-task-${taskId}-${createHash('sha256').update(tag).digest('hex').slice(0, 12)}`;
}
