import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { JobDirectory, Seal, TaskProcesses } from '../../src/execution/index.ts';
import { createLocalHost } from '../../src/executors/index.ts';
import type { Step, TaskHost } from '../../src/tasks/index.ts';
import { tempDir } from '../support/temp-dir.ts';

const stop = { signal: 'SIGTERM', graceMs: 1000 } as const;

/** A job that one process after the other works at. */
async function job() {
  const [root, seal] = [join(tempDir(), 'jobs'), Seal.fromToken('test')];
  const first = await JobDirectory.create(root, 1, '{}', seal);
  first.close();
  return (): { host: TaskHost; directory: JobDirectory } => {
    const directory = JobDirectory.open(root, 1, seal);
    if (!directory) throw new Error('there is no job');
    onTestFinished(() => directory.close());
    const host = createLocalHost({
      directory,
      processes: new TaskProcesses(directory.tag, { takenOver: true }),
      signal: new AbortController().signal,
      resumed: true,
      addSecret: () => {},
      setStatus: () => {},
      setCommit: () => {},
      waitForDecision: () => Promise.resolve('confirmed'),
    });
    return { host, directory };
  };
}

function step(key: string, script: string): Step {
  const env = { PATH: process.env['PATH'] ?? '' };
  return { key, phase: 'run', command: 'sh', args: ['-c', script], cwd: '/', env, stop };
}

function exited(code: number) {
  return { kind: 'exited', code };
}

function startsOf(directory: JobDirectory): number {
  return directory.events().filter(({ type }) => type === 'step-started').length;
}

describe('the record of a task', () => {
  it('counts a step that was announced and never started together with the one that was', async () => {
    const live = await job();
    live().directory.record({ type: 'step-starting', key: 'run', index: 1, stop });
    const second = live();
    expect(await second.host.run(step('run', 'echo once'))).toEqual({ kind: 'exited', code: 0 });
    const third = live();
    expect(await third.host.run(step('run', 'echo once'))).toEqual({ kind: 'exited', code: 0 });
    expect(startsOf(third.directory)).toBe(1);
  });

  it('does not take a step for done because a value was recorded while it ran', async () => {
    const live = await job();
    const first = live();
    const running = first.host.run(step('init', 'sleep 0.5; echo asks'));
    await first.host.once('question', () => Promise.resolve('asked'));
    await running;
    const second = live();
    expect(await second.host.once('question', () => Promise.reject(new Error('not again')))).toBe('asked');
    expect(await second.host.run(step('init', 'false'))).toEqual({ kind: 'exited', code: 0 });
    expect(startsOf(second.directory)).toBe(1);
  });

  it('counts the steps inside of work that is done, and not those beside it meanwhile', async () => {
    const live = await job();
    const first = live();
    let begun = (): void => {};
    const isBegun = new Promise<void>((resolve) => (begun = resolve));
    const work = first.host.once('work', async (inner) => {
      await inner.run(step('same', 'exit 1'));
      begun();
      inner.log('inside');
      return await inner.once('deeper', (deeper) => deeper.run(step('same', 'sleep 0.2; exit 2')));
    });
    await isBegun;
    first.host.log('beside');
    await first.host.run(step('other', 'exit 3'));
    await work;
    const second = live();
    expect(await second.host.once('work', () => Promise.reject(new Error('not again')))).toEqual(exited(2));
    second.host.log('beside');
    expect(await second.host.run(step('other', 'true'))).toEqual(exited(3));
    expect(await second.host.run(step('same', 'exit 4'))).toEqual(exited(4));
    second.host.log('last');
    expect(readFileSync(second.directory.logPath, 'utf8')).toBe('inside\nbeside\nlast\n');
  });

  it('knows nothing of work that was refused', async () => {
    const live = await job();
    const first = live();
    await expect(first.host.once('peek', () => Promise.reject(new Error('nothing')))).rejects.toThrow('nothing');
    await first.host.once('next', () => Promise.resolve(1));
    const second = live();
    expect(await second.host.once('peek', () => Promise.reject(new Error('no'))).catch(() => 'not there')).toBe(
      'not there',
    );
    expect(await second.host.once('next', () => Promise.resolve(2))).toBe(1);
  });
});
