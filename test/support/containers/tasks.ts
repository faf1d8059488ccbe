import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { DockerExecutorConfig, RunnerConfig } from '../../../src/config/index.ts';
import { JobDirectory, Seal } from '../../../src/execution/index.ts';
import type { TaskContainers } from '../../../src/executors/containers/engine.ts';
import { createDockerEngine } from '../../../src/executors/docker-engine.ts';
import { createContainerHost, createContainerPlace } from '../../../src/executors/index.ts';
import type { TaskStatus } from '../../../src/protocol/ui/index.ts';
import { runTask, type Commit, type Decision, type TaskOutcome } from '../../../src/tasks/index.ts';
import { configuration, delivered, type JobParts } from '../../tasks/support.ts';
import { dockerConfig } from '../docker-tasks.ts';
import { tempDir } from '../temp-dir.ts';

export interface TaskInContainersOptions {
  /** Label of all things on the engine. */
  owner: string;
  parts: JobParts;
  docker?: Partial<DockerExecutorConfig>;
  config?: Partial<RunnerConfig>;
  hostEnv?: Record<string, string>;
}

/** A whole task in containers of its own, which one runner after the other works at; they are removed with the test. */
export interface TaskInContainers {
  name: string;
  containers: TaskContainers;
  commits: Commit[];
  statuses: TaskStatus[];
  /** Plays the task, from its beginning or its record, until it is over. */
  run(): Promise<TaskOutcome>;
  stop(): void;
  /** As if the runner that plays the task were killed. */
  die(): void;
  log(): string;
}

let count = 0;

export async function taskInContainers(options: TaskInContainersOptions): Promise<TaskInContainers> {
  const { owner, parts } = options;
  const executorConfig = dockerConfig(options.docker);
  const engine = createDockerEngine({ config: executorConfig, owner, env: process.env });
  count += 1;
  const name = `${owner}-task-${count}`;
  const containers = engine.find(name);
  const root = tempDir();
  const [jobs, seal] = [join(root, 'jobs'), Seal.fromToken('test')];
  const first = await JobDirectory.create(jobs, 1, '{}', seal);
  first.close();
  const base = configuration(root, options.config);
  const executor = { ...base.runner.executor, type: 'docker', docker: executorConfig } as const;
  const config = { ...base, runner: { ...base.runner, executor } };
  const commits: Commit[] = [];
  const statuses: TaskStatus[] = [];
  let lives = 0;
  let current: { die(): void; stop(): void } | undefined;
  onTestFinished(async () => {
    current?.die();
    await containers.remove(0);
  }, 120_000);
  return {
    name,
    containers,
    commits,
    statuses,
    stop: () => current?.stop(),
    die: () => current?.die(),
    log: () => readFileSync(first.logPath, 'utf8'),
    run: async () => {
      const directory = JobDirectory.open(jobs, 1, seal);
      if (!directory) throw new Error('there is no job');
      const abort = new AbortController();
      let isDead = false;
      const dead = new Promise<never>(() => undefined);
      current = {
        stop: () => abort.abort(),
        die: () => {
          isDead = true;
        },
      };
      lives += 1;
      const host = createContainerHost({
        directory,
        containers: mortal(containers, () => isDead),
        signal: abort.signal,
        resumed: lives > 1,
        addSecret: () => undefined,
        setStatus: (status) => statuses.push(status),
        setCommit: (commit) => commits.push(commit),
        waitForDecision: (): Promise<Decision> => dead,
      });
      const hostEnv = { PATH: '/runners/own/path', HOME: '/runners/home', ...options.hostEnv };
      const mortalEngine = {
        type: engine.type,
        check: () => engine.check(),
        find: () => containers,
        sweep: (names: ReadonlySet<string>) => engine.sweep(names),
        open: async (...args: Parameters<typeof engine.open>) => {
          const opened = await engine.open(...args);
          return opened && mortal(opened, () => isDead);
        },
      };
      const openPlace = createContainerPlace({ engine: mortalEngine, config, hostEnv, name });
      return await runTask({ ...delivered(parts), config, host, openPlace });
    },
  };
}

/** Containers that say nothing more to a runner that is dead. */
export function mortal(containers: TaskContainers, isDead: () => boolean): TaskContainers {
  const never = new Promise<never>(() => undefined);
  return {
    name: containers.name,
    remove: (graceMs) => containers.remove(graceMs),
    exec: async (role, request) => {
      if (isDead()) return await never;
      const onStdout = (bytes: Buffer): void => {
        if (!isDead()) request.onStdout?.(bytes);
      };
      const result = await containers.exec(role, { ...request, onStdout });
      return isDead() ? await never : result;
    },
  };
}
