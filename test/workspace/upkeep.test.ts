import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UserError, type Clock } from '../../src/lib/index.ts';
import { startUpkeep, Workspace, type ClearResult } from '../../src/workspace/index.ts';
import { TestRepository } from '../support/git-repository.ts';
import { tempDir } from '../support/temp-dir.ts';
import { checkouts } from '../git/support.ts';

const day = 86_400_000;
const start = Date.parse('2026-03-01T12:00:00Z');

/** A work root with a clock in the hands of the test. */
function timed() {
  const root = join(tempDir(), 'work');
  const clock = { at: start, now: (): number => clock.at, sleep: () => Promise.resolve(), random: () => 0 };
  return { root, clock, room: new Workspace({ root, clock }), project: join(root, 'project_7') };
}

function fill(path: string, bytes: number): void {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'data'), Buffer.alloc(bytes, 1));
}

/** Another process that has task 1 of project 7 open; ends with the test, or by `kill`. */
async function otherRunner(root: string): Promise<{ kill(): Promise<void> }> {
  const script = `
    import { Workspace } from './src/workspace/index.ts';
    new Workspace({ root: process.argv[2] }).openTask(7, 1).then(() => console.log('open'));
    setInterval(() => {}, 1000);
  `;
  const program = join(tempDir(), 'other.cjs');
  await build({
    stdin: { contents: script, resolveDir: join(import.meta.dirname, '../..') },
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['cron-parser'],
  });
  const child = spawn(process.execPath, [program, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  onTestFinished(kill);
  const said = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  expect(String(said[0])).toBe('open\n');
  return { kill };
}

describe('sweep', () => {
  it('removes what a killed runner left, and nothing while it lives', async () => {
    const { root, room, project } = timed();
    const other = await otherRunner(root);
    const own = await room.openTask(7, 2);
    mkdirSync(join(project, '.removing-1-1', 'deep'), { recursive: true });
    fill(join(project, 'repository_3_template_33_main_0'), 1);
    expect(await room.sweep()).toEqual({ removed: [join(project, '.removing-1-1')], failed: [] });
    await expect(room.openTask(7, 1)).rejects.toThrow('another runner has a task');
    expect((await room.clear()).failed).toEqual([{ path: project, message: 'another runner has a task in it' }]);

    await other.kill();
    expect(await room.sweep()).toEqual({ removed: [join(project, 'task_1')], failed: [] });
    expect(readdirSync(project).toSorted()).toEqual(['repository_3_template_33_main_0', 'task_2']);
    expect(readdirSync(root).filter((name) => name.startsWith('.owner-'))).toHaveLength(1);
    await own.close();
    await room.close();
    expect(readdirSync(root)).toEqual(['project_7']);
  });

  it('works where paths are too long for a socket', async () => {
    const root = join(tempDir(), 'long'.repeat(25));
    const other = await otherRunner(root);
    const room = new Workspace({ root });
    expect((await room.sweep()).removed).toEqual([]);
    await other.kill();
    expect((await room.sweep()).removed).toEqual([join(root, 'project_7', 'task_1')]);
  });

  it.each([
    ['no mark', 10 / (24 * 60), undefined],
    ['the mark of another machine', 7, `.owner-${'0'.repeat(16)} another-boot another-host\n`],
    ['a mark that is not ours', 7, 'x'.repeat(2000)],
  ])('takes a task with %s for abandoned only after %d days', async (_name, days, mark) => {
    const { room, project, clock } = timed();
    const task = join(project, 'task_1');
    mkdirSync(task, { recursive: true });
    if (mark !== undefined) writeFileSync(join(task, '.owner'), mark);
    utimesSync(task, start / 1000, start / 1000);
    clock.at = start + 0.9 * days * day;
    expect((await room.sweep()).removed).toEqual([]);
    clock.at = start + 1.1 * days * day;
    expect((await room.sweep()).removed).toEqual([task]);
  });

  it('does not hang on or follow what a tool put in place of the mark', async () => {
    const { room, project } = timed();
    mkdirSync(join(project, 'task_1'), { recursive: true });
    symlinkSync('/dev/zero', join(project, 'task_1', '.owner'));
    expect((await room.sweep()).removed).toEqual([]);
  });
});

describe('cleanUp', () => {
  /** Three tasks of three templates, a day apart; each leaves a checkout and a home. */
  async function threeDays() {
    const parts = timed();
    for (const id of [1, 2, 3]) {
      parts.clock.at = start + id * day;
      const task = await parts.room.openTask(7, id);
      fill(task.takeCheckout(`repository_3_template_${id}_main_0`), 100_000);
      const { home, internal } = await task.takeHome(3, id);
      fill(home, 1000);
      fill(internal, 1000);
      await task.close();
    }
    return parts;
  }
  const left = (project: string): string[] =>
    readdirSync(project).map((name) => name.replace('repository_3_template_', ''));

  it('removes by age what no task has used, home and notes together', async () => {
    const { room, project, clock } = await threeDays();
    writeFileSync(join(project, 'of-the-user'), '');
    clock.at = start + 12 * day;
    await room.cleanUp({ maxAgeMs: 9.5 * day, maxBytes: undefined });
    expect(left(project).toSorted()).toEqual(['3_home', '3_internal', '3_main_0', 'of-the-user']);
  });

  it('removes the least recently used until the rest fits, but nothing that is in use', async () => {
    const { room, project, clock } = await threeDays();
    clock.at = start + 4 * day;
    const running = await room.openTask(7, 9);
    running.takeCheckout('repository_3_template_1_main_0');
    await room.cleanUp({ maxAgeMs: undefined, maxBytes: 260_000 });
    expect(left(project)).toContain('1_main_0');
    expect(left(project)).not.toContain('2_main_0');
    expect(left(project)).toContain('3_main_0');
    await running.close();
    // It was used last: now the third one goes first.
    await room.cleanUp({ maxAgeMs: undefined, maxBytes: 130_000 });
    expect(left(project)).toContain('1_main_0');
    expect(left(project)).not.toContain('3_main_0');
  });

  it('keeps a mirror as long as a checkout needs it', async () => {
    const { room, root, project, clock } = timed();
    const repository = new TestRepository();
    repository.commit({ a: '1' });
    const git = checkouts(repository.url);
    const mirror = join(project, 'mirror_1_0');
    const directory = join(project, 'repository_1_template_1_main_0');
    mkdirSync(project, { recursive: true });
    expect((await git.run({ mirror, directory })).result.kind).toBe('done');
    utimesSync(mirror, start / 1000, start / 1000);
    utimesSync(directory, start / 1000 + 86_400, start / 1000 + 86_400);
    clock.at = start + 10.5 * day;
    expect((await room.cleanUp({ maxAgeMs: 10 * day, maxBytes: undefined })).removed).toEqual([]);
    clock.at = start + 12 * day;
    const { removed } = await room.cleanUp({ maxAgeMs: 10 * day, maxBytes: undefined });
    expect(removed).toEqual([directory, mirror]);
    expect(existsSync(root)).toBe(true);
  });

  it('leaves projects alone in which another runner has a task', async () => {
    const { room, root, project, clock } = await threeDays();
    const other = await otherRunner(root);
    clock.at = start + 100 * day;
    expect((await room.cleanUp({ maxAgeMs: day, maxBytes: 1 })).removed).toEqual([]);
    await other.kill();
    await room.cleanUp({ maxAgeMs: day, maxBytes: 1 });
    expect(left(project)).toEqual(['task_1']);
  });
});

describe('the schedule', () => {
  it('cleans up when it is time, and goes on after a failure', async () => {
    const stop = new AbortController();
    let now = new Date(2026, 2, 1, 2, 59, 0).getTime();
    const clock: Clock = {
      now: () => now,
      sleep: (ms, signal) => {
        signal?.throwIfAborted();
        now += ms;
        return Promise.resolve();
      },
      random: () => 0,
    };
    const at: string[] = [];
    const errors: unknown[] = [];
    const results: ClearResult[] = [];
    await new Promise<void>((resolve, reject) => {
      const cleanUp = (): Promise<ClearResult> => {
        at.push(new Date(now).toTimeString().slice(0, 5));
        if (at.length === 1) return Promise.reject(new Error('no disk'));
        if (at.length === 3) {
          stop.abort();
          resolve();
        }
        return Promise.resolve({ removed: [], failed: [] });
      };
      startUpkeep({
        workspace: { cleanUp },
        schedule: '0 3,15 * * *',
        limits: { maxAgeMs: 1, maxBytes: undefined },
        signal: stop.signal,
        clock,
        onDone: (result) => results.push(result),
        onError: (error) => errors.push(error),
      }).catch(reject);
    });
    expect(at).toEqual(['03:00', '15:00', '03:00']);
    expect(errors).toEqual([new Error('no disk')]);
  });

  it.each(['daily', '0 3 * *', '0 0 30 2 *', '99 * * * *'])('refuses %j', async (schedule) => {
    const never = (): never => {
      throw new Error('never');
    };
    const options = { workspace: { cleanUp: never }, schedule, onDone: never, onError: never };
    const { signal } = new AbortController();
    await expect(startUpkeep({ ...options, limits: { maxAgeMs: 1, maxBytes: 1 }, signal })).rejects.toThrow(UserError);
  });
});
