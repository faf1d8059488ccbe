import { describe, expect, it } from 'vitest';
import { processesWith } from '../support/e2e/survivors.ts';
import { createWorld } from '../support/e2e/world.ts';

/** Ending what runs: a task by its user, the runner by its signals. Nothing that a task started may survive it. */

const obstinate = [
  '#!/usr/bin/env bash',
  'sleep 1000 &',
  'setsid sleep 1000 &',
  "(trap '' TERM INT HUP; while :; do sleep 1; done) &",
  'nohup bash -c "setsid sleep 1000" >/dev/null 2>&1 &',
  'echo started',
  'wait',
].join('\n');

const templates = [
  { id: 1, name: 'Obstinate', app: 'bash', playbook: 'obstinate.sh', repository: 'main' },
  { id: 2, name: 'Patient', app: 'bash', playbook: 'patient.sh', repository: 'main', allow_parallel_tasks: true },
];

const files = {
  'obstinate.sh': obstinate,
  'patient.sh': '#!/usr/bin/env bash\necho started\nsleep 2\necho finished\n',
};

describe('a task that is stopped while it runs', () => {
  it.each([
    ['by a user', false],
    ['by force', true],
  ])('%s ends as stopped and leaves no process behind', async (_, force) => {
    const world = await createWorld({ files, project: { templates }, runner: { stop_grace_seconds: 1 } });
    await world.startServer();
    world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'started');
    expect(processesWith(world.mark).length).toBeGreaterThanOrEqual(4);

    await world.api.stopTask(id, force);
    expect((await world.api.waitUntilFinished(id)).status).toBe('stopped');
    await expect.poll(() => processesWith(world.mark), { timeout: 15_000 }).toEqual([]);
  });

  it('does not disturb the next one', async () => {
    const world = await createWorld({
      files,
      project: { templates },
      runner: { stop_grace_seconds: 1, max_parallel_tasks: 1 },
    });
    await world.startServer();
    world.startRunner();
    const first = await world.api.startTask(1);
    const second = await world.api.startTask(2);
    await world.api.waitForLine(first, 'started');
    await world.api.stopTask(first);
    expect((await world.api.waitUntilFinished(first)).status).toBe('stopped');
    expect((await world.api.waitUntilFinished(second)).status).toBe('success');
  });

  it('while it waits for a slot never starts', async () => {
    const world = await createWorld({
      files,
      project: { templates },
      runner: { stop_grace_seconds: 1, max_parallel_tasks: 1 },
    });
    await world.startServer();
    world.startRunner();
    const running = await world.api.startTask(2);
    const waiting = await world.api.startTask(2);
    await world.api.waitForLine(running, 'started');
    await world.api.stopTask(waiting);
    expect((await world.api.waitUntilFinished(waiting)).status).toBe('stopped');
    expect((await world.api.waitUntilFinished(running)).status).toBe('success');
    expect((await world.api.log(waiting)).join('\n')).not.toContain('started');
  });
});

describe('a runner that is asked to end', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s finishes and reports its task, takes nothing new, and exits 0',
    async (signal) => {
      const world = await createWorld({ files, project: { templates } });
      await world.startServer();
      const runner = world.startRunner();
      const id = await world.api.startTask(2);
      await world.api.waitForLine(id, 'started');
      runner.child.kill(signal);
      await expect.poll(() => runner.output(), { timeout: 5_000 }).toMatch(/drain|finish/i);
      const late = await world.api.startTask(2);

      expect(await world.end(runner)).toEqual({ code: 0, signal: null });
      expect(await world.api.task(id)).toMatchObject({ status: 'success' });
      expect((await world.api.log(id)).at(-1)).toBe('finished');
      expect((await world.api.task(late)).status).toMatch(/waiting|starting/);

      // Nothing is lost: whoever comes next does it.
      world.startRunner();
      expect((await world.api.waitUntilFinished(late)).status).toBe('success');
    },
  );

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('by a second %s stops its tasks, says so to the server, and exits %i', async (signal, code) => {
    const world = await createWorld({ files, project: { templates }, runner: { stop_grace_seconds: 1 } });
    await world.startServer();
    const runner = world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'started');
    runner.child.kill(signal);
    await expect.poll(() => runner.output(), { timeout: 5_000 }).toMatch(/drain|finish/i);
    runner.child.kill(signal);

    expect(await world.end(runner)).toEqual({ code, signal: null });
    expect((await world.api.task(id)).status).toBe('stopped');
    expect(processesWith(world.mark)).toEqual([]);
  });

  it('while idle ends at once', async () => {
    const world = await createWorld({ files, project: { templates } });
    await world.startServer();
    const runner = world.startRunner();
    await expect.poll(() => runner.output(), { timeout: 10_000 }).toContain('Runner connected');
    runner.child.kill('SIGTERM');
    expect(await world.end(runner, 10_000)).toEqual({ code: 0, signal: null });
  });
});
