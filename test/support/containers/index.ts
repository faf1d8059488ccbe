import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, vi } from 'vitest';
import { JobDirectory, Seal } from '../../../src/execution/index.ts';
import { createContainerHost } from '../../../src/executors/index.ts';
import type { ContainerEngine, TaskContainers } from '../../../src/executors/containers/engine.ts';
import { createDockerEngine } from '../../../src/executors/docker-engine.ts';
import type { TaskStatus } from '../../../src/protocol/ui/index.ts';
import type { Decision, Step, TaskHost } from '../../../src/tasks/index.ts';
import { dockerConfig, opened } from '../docker-tasks.ts';
import { debianImage, docker } from '../docker/index.ts';
import { tempDir } from '../temp-dir.ts';
import { mortal } from './tasks.ts';

export { taskInContainers, type TaskInContainers } from './tasks.ts';

/** Containers that the tests of a file share, made when they are first asked for. */
export function sharedContainers(owner: string, image: () => string, what = '') {
  const name = `${owner}-${createHash('sha256')
    .update(image() + what)
    .digest('hex')
    .slice(0, 6)}`;
  const engine = testEngine(owner);
  let made: Promise<TaskContainers> | undefined;
  afterAll(async () => {
    await (await made)?.remove(0);
  }, 120_000);
  return {
    engine,
    name,
    open: (): Promise<TaskContainers> => (made ??= opened(engine, { name, image: image() })),
  };
}

export function testEngine(owner: string): ContainerEngine {
  return createDockerEngine({ config: dockerConfig({ helperImage: debianImage }), owner, env: process.env });
}

/** One runner's life with the task: its host, and what the runner would see. */
export interface Life {
  host: TaskHost;
  directory: JobDirectory;
  statuses: TaskStatus[];
  /** The task is to stop. */
  stop(): void;
  /** As if this process were killed: it hears nothing more of its containers, and writes nothing more. */
  die(): void;
}

export interface ContainerTask {
  /** A runner takes the task up; all but the first play it again. `before` is the one that was killed just now. */
  live(options?: { containers?: TaskContainers; before?: Life }): Life;
  log(): string;
}

/** A task in these containers, which one process after the other works at. */
export async function containerTask(containers: TaskContainers): Promise<ContainerTask> {
  const [root, seal] = [join(tempDir(), 'jobs'), Seal.fromToken('test')];
  const first = await JobDirectory.create(root, 1, '{}', seal);
  first.close();
  await noStopIn(containers);
  // The numbers of its steps are those of the task before, in the same containers.
  await containers.exec('build', { argv: ['/bin/sh', '-c', 'rm -rf /workspace/.semaphore-* /workspace/*'] });
  let lives = 0;
  return {
    live: (options = {}) => {
      options.before?.die();
      const directory = JobDirectory.open(root, 1, seal);
      if (!directory) throw new Error('there is no job');
      const abort = new AbortController();
      const statuses: TaskStatus[] = [];
      const given = options.containers ?? containers;
      let isDead = false;
      onTestFinished(() => {
        abort.abort();
        directory.close();
      });
      lives += 1;
      const host = createContainerHost({
        directory,
        containers: mortal(given, () => isDead),
        signal: abort.signal,
        resumed: lives > 1,
        addSecret: () => undefined,
        setStatus: (status) => statuses.push(status),
        setCommit: () => undefined,
        waitForDecision: (): Promise<Decision> => Promise.resolve('confirmed'),
      });
      return { host, directory, statuses, stop: () => abort.abort(), die: () => (isDead = true) };
    },
    log: () => readFileSync(first.logPath, 'utf8'),
  };
}

/** Waits for the end of what ends all processes in a container, which goes on without its caller, and would take those of a next task. */
async function noStopIn({ name }: TaskContainers): Promise<void> {
  const container = await docker(['ps', '--quiet', '--filter', `name=^${name}-build$`]);
  if (container === '') return;
  // Seen from outside: a look from inside would be one more process that it waits for.
  const commands = (): Promise<string> => docker(['top', container, '-eo', 'pid,args']);
  await vi.waitFor(async () => expect(await commands()).not.toContain('semaphore-stop'), {
    timeout: 30_000,
    interval: 50,
  });
}

/** What a shell script prints in a container; runs beside the task. */
export async function outputOf(containers: TaskContainers, text: string): Promise<string> {
  const printed: Buffer[] = [];
  const argv = ['/bin/sh', '-c', text];
  const result = await containers.exec('build', { argv, onStdout: (bytes) => printed.push(bytes) });
  if (result.kind !== 'exited') throw new Error(`an exec ended: ${result.reason}`);
  return Buffer.concat(printed).toString('utf8');
}

/** A shell script as a step of a task. */
export function script(key: string, text: string, changes: Partial<Step> = {}): Step {
  return {
    key,
    phase: 'run',
    command: 'sh',
    args: ['-c', text],
    cwd: '/workspace',
    env: { PATH: '/usr/bin:/bin' },
    stop: { signal: 'SIGTERM', graceMs: 2000 },
    ...changes,
  };
}
