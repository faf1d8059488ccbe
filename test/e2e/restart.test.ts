import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { processesWith } from '../support/e2e/survivors.ts';
import { createWorld, type World } from '../support/e2e/world.ts';

/** Server or runner are gone in the middle of a task, and nothing is lost, doubled or out of order. */

const LINES = 400;

const files = {
  'long.sh': ['#!/usr/bin/env bash', `for ((n = 1; n <= ${LINES}; n++)); do echo "line $n"; sleep 0.01; done`].join(
    '\n',
  ),
};
const templates = [
  { id: 1, name: 'Long', app: 'bash', playbook: 'long.sh', repository: 'main', allow_parallel_tasks: true },
];

async function expectComplete(world: World, id: number): Promise<void> {
  expect((await world.api.waitUntilFinished(id)).status).toBe('success');
  const lines = (await world.api.log(id)).filter((line) => line.startsWith('line '));
  expect(lines).toEqual(Array.from({ length: LINES }, (_, index) => `line ${index + 1}`));
}

describe('a server that is killed and started again', () => {
  it('while a task runs loses nothing of it', async () => {
    const world = await createWorld({ files, project: { templates } });
    const server = await world.startServer();
    world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'line 20');
    server.child.kill('SIGKILL');
    await world.end(server);
    await delay(700);
    await world.startServer();
    await expectComplete(world, id);
  });

  it('after the task has ended still gets all of it', async () => {
    const world = await createWorld({ files, project: { templates } });
    const server = await world.startServer();
    world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'line 20');
    server.child.kill('SIGKILL');
    await world.end(server);
    await delay(LINES * 15);
    await world.startServer();
    await expectComplete(world, id);
  });

  it('with tasks that wait hands them out afterwards', async () => {
    const world = await createWorld({ files, project: { templates } });
    const server = await world.startServer();
    world.register();
    const ids = [await world.api.startTask(1), await world.api.startTask(1)];
    server.child.kill('SIGKILL');
    await world.end(server);
    await world.startServer();
    world.startRunner();
    for (const id of ids) await expectComplete(world, id);
  });
});

describe('a runner that is killed and started again', () => {
  it('goes on with the task, loses nothing of it, and works on', async () => {
    const world = await createWorld({ files, project: { templates } });
    await world.startServer();
    const runner = world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'line 20');
    runner.child.kill('SIGKILL');
    await world.end(runner);
    world.startRunner();
    await expectComplete(world, id);
    await expect.poll(() => processesWith(world.mark), { timeout: 15_000 }).toEqual([]);
    await expectComplete(world, await world.api.startTask(1));
  });
});
