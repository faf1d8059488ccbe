import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canMount, SmallDisk } from '../support/small-disk.ts';
import { tempDir } from '../support/temp-dir.ts';
import { expectWorking, jobsIn, say, templates, worldAt } from './support.ts';

/** The disk under the runner is full: a clear line, the task fails or goes on, the runner lives, and nothing is lost. */

describe.runIf(canMount())('a disk under the state directory that is full', () => {
  it('before a task: it fails with a line that says what to do, and the next one is run', async () => {
    const disk = SmallDisk.mount(2);
    const world = await worldAt({ stateDir: join(disk.path, 'state') });
    const runner = world.startRunner();
    await expectWorking(world);
    disk.fill();
    const id = await world.api.startTask(templates.quick);
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    expect((await world.api.log(id)).at(-1)).toMatch(
      /^The runner could not run this task: the job directory .* cannot be made \(ENOSPC: .*\)\. Free space/,
    );
    await expect.poll(() => jobsIn(world), { timeout: 30_000 }).toEqual([]);
    disk.free();
    await expectWorking(world);
    expect(runner.child.exitCode).toBeNull();
  });

  it('while a tool writes: the tool is stopped as always, what was written arrives, and the log says that the rest is lost', async () => {
    const disk = SmallDisk.mount(2);
    const world = await worldAt({ stateDir: join(disk.path, 'state') });
    const runner = world.startRunner();
    const id = await world.api.startTask(templates.flood);
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    const log = await world.api.log(id);
    expect(log.at(-1)).toMatch(
      /^Task failed in run: the output of bash could not be written to the log of the task \(No space left on device\): what it said from there on is lost, and it was stopped\. Free space/,
    );
    const lines = log.filter((line) => line.startsWith('line '));
    expect(lines.length).toBeGreaterThan(10_000);
    // The last one may be cut.
    expect(lines.slice(0, -1)).toEqual(lines.slice(0, -1).map((_, index) => `line ${index + 1}`));
    expect(readFileSync(join(world.output, 'told'), 'utf8')).toBe('stopped\n');
    await expect.poll(() => jobsIn(world), { timeout: 30_000 }).toEqual([]);
    await expectWorking(world);
    expect(runner.child.exitCode).toBeNull();
  });

  it('while nothing can be noted: the task goes on, its lines and its result arrive at once', async () => {
    const disk = SmallDisk.mount(2);
    const world = await worldAt({ stateDir: join(disk.path, 'state') });
    const runner = world.startRunner();
    const id = await world.api.startTask(templates.step);
    await world.api.waitForLine(id, 'began');
    disk.fill();
    say(world, 'first');
    await world.api.waitForLine(id, 'first');
    say(world, 'second');
    expect((await world.api.waitUntilFinished(id)).status).toBe('success');
    expect((await world.api.log(id)).slice(-3)).toEqual(['began', 'first', 'second']);
    expect(disk.freeBytes).toBeLessThan(256 * 1024);
    disk.free();
    await expectWorking(world);
    expect(runner.child.exitCode).toBeNull();
  });

  it('and the runner killed: the next one, once there is space, delivers the rest and the result', async () => {
    const disk = SmallDisk.mount(2);
    const world = await worldAt({ stateDir: join(disk.path, 'state') });
    const runner = world.startRunner();
    const id = await world.api.startTask(templates.step);
    await world.api.waitForLine(id, 'began');
    disk.fill();
    say(world, 'first');
    await world.api.waitForLine(id, 'first');
    runner.child.kill('SIGKILL');
    await world.end(runner);
    say(world, 'second');
    const refused = world.startRunner();
    expect((await world.end(refused)).code).not.toBe(0);
    expect(refused.output()).toMatch(/Error: cannot write to the directory .*ENOSPC.*\n.*Free space/);
    disk.free();
    world.startRunner();
    expect((await world.api.waitUntilFinished(id)).status).toBe('success');
    const log = await world.api.log(id);
    expect(log.filter((line) => ['began', 'first', 'second'].includes(line))).toEqual(['began', 'first', 'second']);
    await expectWorking(world);
  });
});

describe.runIf(canMount())('a disk under the log of the runner that is full', () => {
  it('does not end it; what it has to say waits for space', async () => {
    const disk = SmallDisk.mount(1);
    const world = await worldAt({ stateDir: join(tempDir(), 'state') });
    world.register();
    const log = join(disk.path, 'runner.log');
    writeFileSync(log, '');
    disk.fill();
    const runner = world.startRunner({}, log);
    // Both ways out are closed: the log, and the line on standard output.
    await expectWorking(world);
    await expectWorking(world);
    expect(runner.child.exitCode).toBeNull();
    expect(runner.output()).toBe('');
    disk.free();
    await expectWorking(world);
    await expect.poll(() => runner.output(), { timeout: 30_000 }).toMatch(/Task started task_id=1[^]*task_id=3/);
    process.kill(runner.pid, 'SIGTERM');
    expect((await world.end(runner)).code).toBe(0);
  });
});

describe.runIf(canMount())('a disk under tmp_path that is full', () => {
  it('while a repository is cloned: the task fails with a line that says so, and works when there is space', async () => {
    const work = SmallDisk.mount(16);
    const world = await worldAt({ stateDir: join(tempDir(), 'state'), tmpPath: join(work.path, 'work') });
    const runner = world.startRunner();
    await expect.poll(() => runner.output(), { timeout: 30_000 }).toContain('Runner connected');
    work.fill();
    const early = await world.api.startTask(templates.quick);
    expect((await world.api.waitUntilFinished(early)).status).toBe('error');
    expect((await world.api.log(early)).at(-1)).toMatch(
      /^Task failed in prepare: Creating tmp dir failed: ENOSPC.*Free space/,
    );
    work.free();
    // Room for everything but the large file.
    work.fill(2);
    const id = await world.api.startTask(templates.quick);
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    expect((await world.api.log(id)).at(-1)).toMatch(/^Task failed in clone: .*Free disk space below tmp_path/);
    work.free();
    await expectWorking(world);
    expect(runner.child.exitCode).toBeNull();
  });
});
