import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canMount, SmallDisk } from '../support/small-disk.ts';
import { needs } from '../support/tools.ts';
import { expectWorking, say, templates, worldAt } from './support.ts';

/** A file system that takes no writing: what the kernel makes of it when a disk fails, or an administrator. */

describe.runIf(canMount())('a read-only file system', () => {
  it('under the state directory: the runner does not start and says why; it does when it can write', async () => {
    const disk = SmallDisk.mount(4);
    const world = await worldAt({ stateDir: disk.path });
    disk.makeReadOnly();
    const refused = world.startRunner();
    expect((await world.end(refused)).code).not.toBe(0);
    expect(refused.output()).toMatch(
      /Error: cannot write to the directory .*EROFS: read-only file system.*\n.*mount it writable\./,
    );
    disk.makeWritable();
    world.startRunner();
    await expectWorking(world);
  });

  it('under tmp_path: a task fails with a line that says so, the runner lives, and works when it can write', async () => {
    const disk = SmallDisk.mount(16);
    const state = SmallDisk.mount(4);
    const world = await worldAt({ stateDir: join(state.path, 'state'), tmpPath: disk.path });
    const runner = world.startRunner();
    await expect.poll(() => runner.output(), { timeout: 30_000 }).toContain('Runner connected');
    disk.makeReadOnly();
    const id = await world.api.startTask(templates.quick);
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    expect((await world.api.log(id)).at(-1)).toMatch(/^Task failed in prepare: .*EROFS.*mount it writable\.$/);
    disk.makeWritable();
    await expectWorking(world);
    expect(runner.child.exitCode).toBeNull();
  });

  it.runIf(needs('mkfs.ext4'))(
    'from one moment to the next, under a running task: what is there arrives, the task ends with a line, the runner lives',
    async () => {
      const disk = SmallDisk.mountExt4(16);
      const world = await worldAt({ stateDir: join(disk.path, 'state') });
      const runner = world.startRunner();
      const id = await world.api.startTask(templates.step);
      await world.api.waitForLine(id, 'began');
      disk.break();
      expect(() => writeFileSync(join(disk.path, 'probe'), '')).toThrow('EROFS');
      say(world, 'first');
      expect((await world.api.waitUntilFinished(id)).status).toBe('error');
      const log = await world.api.log(id);
      expect(log.at(-2)).toBe('began');
      expect(log.at(-1)).toMatch(
        /^Task failed in run: the output of bash could not be written to the log of the task \((Read-only file system|Input\/output error)\)/,
      );
      // It cannot take tasks, and says so for each; it is still there for those who ask.
      const next = await world.api.startTask(templates.quick);
      expect((await world.api.waitUntilFinished(next)).status).toBe('error');
      expect((await world.api.log(next)).at(-1)).toMatch(/cannot be made \((EROFS|EIO): .*mount it writable\.$/);
      expect(runner.child.exitCode).toBeNull();
      expect(runner.output()).toContain('Cannot write to the job directory');
      process.kill(runner.pid, 'SIGTERM');
      expect((await world.end(runner, 60_000)).code).toBe(0);
    },
  );
});
