import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunnerConfig } from '../../src/config/index.ts';
import { executorSchema } from '../../src/config/executor-schema.ts';
import { resolveExecutor } from '../../src/config/resolve-executor.ts';
import { JobDirectory, Seal } from '../../src/execution/index.ts';
import type { ContainerEngine, TaskContainers } from '../../src/executors/index.ts';
import { systemClock, UserError, type Clock } from '../../src/lib/index.ts';
import {
  containersProvider,
  ownerOf,
  type ExecutorProvider,
  type TaskRequest,
} from '../../src/runner/executors/index.ts';
import { eventually, jobData, recordingLogger } from '../support/runner.ts';
import { tempDir } from '../support/temp-dir.ts';

/** An engine of which only what the runner makes of it matters; the real ones are in test/executors and test/e2e. */
class Engine implements ContainerEngine {
  readonly type = 'docker';
  readonly calls: string[] = [];
  /** Errors of the next calls, by name. */
  readonly failures = new Map<string, Error[]>();
  left: string[] = [];

  check = () => this.#call('check');
  open = () => Promise.resolve(undefined);
  find = (name: string): TaskContainers => ({
    name,
    exec: () => Promise.resolve({ kind: 'gone', reason: 'never there' }),
    hits: () => Promise.resolve(['The task met a limit.']),
    remove: (graceMs) => this.#call(`remove ${graceMs}`),
  });
  sweep = async (names: ReadonlySet<string>) => {
    await this.#call(`sweep ${names.size}`);
    return this.left.filter((name) => !names.has(name));
  };

  #call(name: string): Promise<void> {
    this.calls.push(name);
    const failure = this.failures.get(name.split(' ')[0] ?? '')?.shift();
    return failure ? Promise.reject(failure) : Promise.resolve();
  }
}

const away = new UserError('the engine does not answer', { hint: 'Start it.' });

function rig() {
  const engine = new Engine();
  const { lines, logger } = recordingLogger();
  const executor = resolveExecutor(
    executorSchema.parse({ type: 'docker', docker: { cleanup_grace_seconds: 3 } }),
    () => undefined,
  );
  executor.docker.pollIntervalMs = 20;
  const config = { runner: { executor } } as RunnerConfig;
  const waits: (AbortSignal | undefined)[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: (ms, signal) => {
      waits.push(signal);
      return systemClock.sleep(ms, signal);
    },
  };
  const provider = containersProvider({
    engine,
    config,
    clock,
    logger,
    placeIn: (name) => () => Promise.reject(new Error(`a place in ${name}`)),
  });
  return { engine, lines, provider, waits };
}

async function attached(provider: ExecutorProvider, beginning: TaskRequest['beginning'] = 'new') {
  const root = join(tempDir(), 'jobs');
  const directory = await JobDirectory.create(root, 7, '{}', Seal.fromToken('token'));
  provider.note(7, directory);
  const executor = provider.attach({
    taskId: 7,
    directory,
    beginning,
    signal: new AbortController().signal,
    addSecret: () => undefined,
    setStatus: () => undefined,
    setCommit: () => undefined,
    waitForDecision: () => Promise.resolve('confirmed'),
  });
  const event = directory.events().find(({ type }) => type === 'executor');
  const name = event?.type === 'executor' ? event.containers : '';
  const open = () => executor.openPlace(jobData(7), executor.host);
  return { directory, executor, name, open };
}

describe('a task in containers', () => {
  it('notes their name, which names the task, before anything is there', async () => {
    const { provider } = rig();
    const [one, other] = [await attached(provider), await attached(provider)];
    expect(one.name).toMatch(/^semaphore-task-7-[0-9a-f]{12}$/);
    expect(other.name).not.toBe(one.name);
    expect(await one.executor.end()).toEqual(['The task met a limit.']);
  });

  it('has them removed with the configured grace, again and again until they are gone', async () => {
    const { engine, lines, provider } = rig();
    const { executor, name } = await attached(provider);
    engine.failures.set('remove', [away, away]);
    await executor.cleanUp();
    expect(lines).toEqual([
      {
        level: 'error',
        message: 'Cannot remove the containers of the task; it is tried again',
        fields: { task_id: 7, containers: name, error: 'the engine does not answer', hint: 'Start it.' },
      },
    ]);
    await eventually(() => lines.length > 1);
    expect(engine.calls).toEqual(['remove 3000', 'remove 3000', 'remove 3000']);
    expect(lines[1]).toMatchObject({ level: 'info', message: 'The containers of the task are removed at last' });
  });

  it('is not tried any more when the runner ends', async () => {
    const { engine, provider, waits } = rig();
    const { executor } = await attached(provider);
    engine.failures.set(
      'remove',
      Array.from({ length: 100 }, () => away),
    );
    await executor.cleanUp();
    provider.close();
    expect(waits.at(-1)?.aborted).toBe(true);
    expect(engine.calls).toEqual(['remove 3000']);
  });
});

describe('an engine that does not answer', () => {
  it('is told when the runner starts, and is the reason why tasks fail, until it answers', async () => {
    const { engine, lines, provider } = rig();
    engine.failures.set('check', [away, away]);
    await provider.start();
    expect(lines).toEqual([
      {
        level: 'error',
        message: 'Tasks cannot run as runner.executor says; they fail until that is put right',
        fields: { executor: 'docker', error: 'the engine does not answer', hint: 'Start it.' },
      },
    ]);
    const { name, open } = await attached(provider);
    await expect(open()).rejects.toBe(away);
    await expect(open()).rejects.toThrow(`a place in ${name}`);
    expect(lines[1]).toMatchObject({ level: 'info', message: 'Tasks can run as runner.executor says again' });
    await expect(open()).rejects.toThrow('a place in');
    expect(engine.calls).toEqual(['check', 'check', 'check']);
  });

  it('is swept when it answers again, but for tasks that are known', async () => {
    const { engine, lines, provider } = rig();
    const { name } = await attached(provider, 'play');
    engine.left = ['semaphore-task-1-0', name];
    engine.failures.set('sweep', [away]);
    await provider.sweep();
    expect(lines[0]).toMatchObject({ level: 'error', fields: { hint: 'Start it.' } });
    await eventually(() => lines.length > 2);
    expect(lines.slice(1)).toMatchObject([
      { message: 'Removed the containers that an earlier run left', fields: { names: 'semaphore-task-1-0' } },
      { message: 'Nothing of an earlier run is left any more' },
    ]);
  });
});

describe('the owner of containers', () => {
  it('stays when the token changes, and when the state directory is lost', () => {
    const directory = tempDir();
    const owner = ownerOf(directory, 'token');
    expect(owner).toMatch(/^[0-9a-f]{16}$/);
    expect(ownerOf(directory, 'another')).toBe(owner);
    rmSync(join(directory, 'containers-owner'));
    expect(ownerOf(directory, 'token')).toBe(owner);
    expect(ownerOf(tempDir(), 'another')).not.toBe(owner);
    writeFileSync(join(directory, 'containers-owner'), '');
    expect(ownerOf(directory, 'token')).toBe(owner);
    expect(readFileSync(join(directory, 'containers-owner'), 'utf8')).toBe(`${owner}\n`);
  });
});
