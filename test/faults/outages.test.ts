import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/lib/index.ts';
import * as faults from '../support/faults/faults.ts';
import { Stage, type StartedRunner } from '../support/faults/stage.ts';
import { eventually } from '../support/runner.ts';

/** The server is away: its port refuses connections, its process is gone and comes back. */

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const second = 1000;
const away: readonly [string, number][] = [
  ['a second', second],
  ['a minute', 60 * second],
  ['an hour', 3600 * second],
];

async function leave(stage: Stage): Promise<void> {
  await stage.proxy.down();
  await stage.server.close();
}

async function comeBack(stage: Stage): Promise<void> {
  stage.proxy.heal();
  await stage.server.start();
  await stage.proxy.up();
}

/** One line when the connection breaks, one every five minutes, one when it is back; never one a second. */
async function expectFewLines(runner: StartedRunner, ms: number): Promise<void> {
  await eventually(() => runner.lines.some(({ message }) => message === 'Connection to the server is back'));
  const lines = runner.lines.filter(({ level }) => level === 'error');
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.length).toBeLessThanOrEqual(4 + ms / (5 * 60 * second));
}

describe.each(away)('a server that is away for %s', (_name, ms) => {
  it('before a task starts gets it all', async () => {
    const stage = await Stage.open();
    const id = await stage.task('talk');
    await leave(stage);
    const runner = await stage.start();
    await stage.pass(ms);
    await eventually(() => runner.lines.some(({ level }) => level === 'error'));
    await comeBack(stage);
    await stage.expectComplete(id, 'success', 'talk');
    await expectFewLines(runner, ms);
  });

  it('in the middle of a log gets it all', async () => {
    const stage = await Stage.open();
    const id = await stage.task('hold');
    const runner = await stage.start();
    await stage.line(id, 'line 30');
    await leave(stage);
    await stage.pass(ms);
    await comeBack(stage);
    stage.letGo();
    await stage.expectComplete(id, 'success', 'hold');
    await expectFewLines(runner, ms);
  });

  it('at the end of a task gets its last lines and its final status', async () => {
    const stage = await Stage.open();
    const id = await stage.task('hold');
    const runner = await stage.start();
    await stage.line(id, 'line 30');
    await leave(stage);
    stage.letGo();
    await eventually(() => runner.lines.some(({ message }) => message === 'Task finished'));
    await stage.pass(ms);
    await comeBack(stage);
    await stage.expectComplete(id, 'success', 'hold');
    await expectFewLines(runner, ms);
  });

  it('while a task is cancelled hears that it was', async () => {
    const stage = await Stage.open();
    const id = await stage.task('wait');
    const runner = await stage.start();
    await stage.line(id, 'waiting');
    stage.proxy.inject(faults.reset(), { method: 'PUT' });
    await stage.server.call('POST', `/api/project/1/tasks/${id}/stop`);
    await eventually(() => runner.lines.some(({ message }) => message === 'Task finished'));
    await leave(stage);
    await stage.pass(ms);
    await comeBack(stage);
    await stage.expectComplete(id, 'stopped', 'wait', ['Task was stopped.']);
    await expectFewLines(runner, ms);
  });
});

describe('a long outage', () => {
  it('costs no memory, however much a task writes meanwhile', async () => {
    const stage = await Stage.open({ runner: { log: { max_request_bytes: 131_072 } } });
    const id = await stage.task('flood');
    const runner = await stage.start();
    await stage.line(id, 'started');
    await stage.proxy.down();
    await systemClock.sleep(200);
    const before = memory();
    stage.letGo();
    await eventually(() => stage.holds(), 30_000);
    await stage.pass(600 * second);
    // The log is of 9 MB.
    expect(memory() - before).toBeLessThan(3 * 1024 * 1024);
    await stage.proxy.up();
    expect(await stage.finished(id, 50_000)).toBe('success');
    const expected = Array.from(
      { length: 200_000 },
      (_, index) => `line ${index + 1} of a flood that no memory has to hold`,
    );
    expect((await stage.log(id)).slice(1).join('\n') === expected.join('\n')).toBe(true);
    runner.drain();
    expect(await runner.ended).toBe(0);
  });

  it('is not made longer by a wall clock that is set back', async () => {
    const stage = await Stage.open();
    const id = await stage.task('hold');
    await stage.start();
    await stage.line(id, 'line 30');
    stage.proxy.inject(faults.reset(), { times: 4 });
    stage.clock.shift(-3600 * second);
    await systemClock.sleep(100);
    stage.clock.shift(-3600 * second);
    stage.letGo();
    await stage.expectComplete(id, 'success', 'hold');
  });
});

/** Bytes that this process really needs. */
function memory(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
