import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createWorld } from '../support/e2e/world.ts';

const COUNT = 100;

const templates = [
  { id: 1, name: 'Count', app: 'bash', playbook: 'count.sh', repository: 'main', allow_parallel_tasks: true },
];

describe('a hundred tasks queued at once', () => {
  it('all succeed, each exactly once, never more at a time than the runner allows', async () => {
    const world = await createWorld({
      files: {
        'count.sh': [
          '#!/usr/bin/env bash',
          'echo "in $SEMAPHORE_TASK_ID" >> "$OUTPUT_DIRECTORY/journal"',
          'echo "task $SEMAPHORE_TASK_ID"',
          'echo "out" >> "$OUTPUT_DIRECTORY/journal"',
        ].join('\n'),
      },
      project: { templates },
      runner: { max_parallel_tasks: 4 },
    });
    await world.startServer();
    world.register(); // Without any runner the server would refuse the tasks.
    const ids: number[] = [];
    for (let index = 0; index < COUNT; index += 1) ids.push(await world.api.startTask(1));
    world.startRunner();

    for (const id of ids) {
      const task = await world.api.waitUntilFinished(id, 120_000);
      expect({ id, status: task.status }).toEqual({ id, status: 'success' });
      expect((await world.api.log(id)).filter((line) => line === `task ${id}`)).toHaveLength(1);
    }
    const lines = readFileSync(join(world.output, 'journal'), 'utf8').trim().split('\n');
    const started = lines.filter((line) => line.startsWith('in ')).map((line) => Number(line.slice(3)));
    expect(started.sort((a, b) => a - b)).toEqual(ids.sort((a, b) => a - b));
    let running = 0;
    for (const line of lines) {
      running += line === 'out' ? -1 : 1;
      expect(running).toBeLessThanOrEqual(4);
    }
  });
});

describe('a one-off runner', () => {
  it('runs what waits, sees it acknowledged, and exits 0', async () => {
    const world = await createWorld({
      files: { 'count.sh': '#!/usr/bin/env bash\necho "task $SEMAPHORE_TASK_ID"\n' },
      project: { templates },
      runner: { one_off: true },
    });
    await world.startServer();
    world.register();
    const ids = [await world.api.startTask(1), await world.api.startTask(1)];
    const runner = world.startRunner();
    expect(await world.end(runner)).toEqual({ code: 0, signal: null });
    for (const id of ids) {
      expect((await world.api.task(id)).status).toBe('success');
      expect((await world.api.log(id)).at(-1)).toBe(`task ${id}`);
    }
  });
});
