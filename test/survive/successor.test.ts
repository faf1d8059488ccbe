import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { killProcessesWith, processesWith } from '../support/e2e/survivors.ts';
import { createWorld, type World } from '../support/e2e/world.ts';
import { aftermathOf, nothing } from '../support/kill-harness/aftermath.ts';
import { jobDirectory } from '../support/kill-harness/survive.ts';
import { needs } from '../support/tools.ts';
import { note, scriptTemplate, secretGroup, secrets } from './tasks.ts';

/** What the next runner does with what the one before has left: after a restart of the machine, an upgrade, with less room, … */

/** Runs until it is told to go on, so that no runner can be too slow for the test. */
const patient = `#!/usr/bin/env bash
${note}
note started
trap 'echo "the word was $WORD"; exit 1' TERM
echo "the word is $WORD"
echo ready
while [ ! -e "$OUTPUT_DIRECTORY/go" ]; do sleep 0.05; done
echo done
note ended
`;

async function worldWith(runner: Readonly<Record<string, unknown>> = {}): Promise<World> {
  const world = await createWorld({
    files: { 'patient.sh': patient },
    project: { variable_groups: [secretGroup], templates: [scriptTemplate(1, 'patient.sh')] },
    runner,
  });
  await world.startServer();
  world.register();
  return world;
}

const go = (world: World): void => writeFileSync(join(world.output, 'go'), '');

const marks = (world: World, id: number): string[] => {
  const path = join(world.output, `${id}.marks`);
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
};

async function kill(world: World, runner: { child: { kill: (signal: NodeJS.Signals) => boolean } }): Promise<void> {
  runner.child.kill('SIGKILL');
  await world.end(runner as Parameters<World['end']>[0]);
}

/** What is in the log after the script has said that it is ready. */
async function ending(world: World, id: number): Promise<string[]> {
  const log = await world.api.log(id);
  return log.slice(log.indexOf('ready') + 1);
}

async function startedAt(world: World): Promise<string> {
  const [runner] = JSON.parse(await world.api.text('GET', '/runners')) as { started_at: string }[];
  return runner?.started_at ?? '';
}

describe('a runner that is started again after the machine was', () => {
  it('ends the task with one line that says so', async () => {
    const world = await worldWith();
    const runner = world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'ready');
    await kill(world, runner);
    killProcessesWith(world.mark);
    const record = join(jobDirectory(world, id) ?? '', 'steps.jsonl');
    // Another boot id: as on the same machine after a restart.
    writeFileSync(record, readFileSync(record, 'utf8').replace(/"machine":"[0-9a-f-]+/, '"machine":"0-0-0'));
    world.startRunner();
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    expect(await ending(world, id)).toEqual(['The machine was restarted while this task ran; the task ended with it.']);
    expect(await aftermathOf(world, secrets)).toEqual(nothing);
  });

  const canUnshare = needs('unshare') && spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status === 0;
  it.runIf(canUnshare)('or its container, too', async () => {
    const world = await worldWith();
    const start = () => {
      const args = ['--pid', '--fork', '--kill-child', '--mount-proc', process.execPath];
      const program = join(import.meta.dirname, '../../bin/semaphore');
      const child = spawn(
        'unshare',
        [...args, program, 'runner', 'start', '--config', join(world.directory, 'runner.json')],
        {
          env: { PATH: process.env['PATH'], HOME: world.directory },
          stdio: 'ignore',
        },
      );
      onTestFinished(() => void child.kill('SIGKILL'));
      return child;
    };
    const id = await world.api.startTask(1);
    const container = start();
    await world.api.waitForLine(id, 'ready');
    container.kill('SIGKILL');
    await expect.poll(() => processesWith(world.mark), { timeout: 15_000 }).toEqual([]);
    start();
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    expect(await ending(world, id)).toEqual([
      'The container was restarted while this task ran; the task ended with it.',
    ]);
    expect(await aftermathOf(world, secrets)).toEqual(nothing);
  });
});

describe('a runner that is upgraded', () => {
  it('by SIGUSR2 leaves its tasks at once to the next one, which brings them to their end', async () => {
    const world = await worldWith();
    const runner = world.startRunner();
    const ids = [await world.api.startTask(1), await world.api.startTask(1)];
    for (const id of ids) await world.api.waitForLine(id, 'ready');
    const before = await startedAt(world);
    runner.child.kill('SIGUSR2');
    expect(await world.end(runner, 20_000)).toEqual({ code: 0, signal: null });
    for (const id of ids)
      expect([(await world.api.task(id)).status, marks(world, id)]).toEqual(['running', ['started']]);

    world.startRunner();
    // The server is to see the same instance: it fails the tasks of one that is gone.
    await expect.poll(async () => (await world.api.log(ids[0] ?? 0)).length, { timeout: 20_000 }).toBeGreaterThan(0);
    go(world);
    for (const id of ids) {
      expect((await world.api.waitUntilFinished(id)).status).toBe('success');
      expect(await ending(world, id)).toEqual(['done']);
      expect(marks(world, id)).toEqual(['started', 'ended']);
    }
    expect(await startedAt(world)).toBe(before);
    expect(await aftermathOf(world, secrets)).toEqual(nothing);
  });

  it('does not pass for an older instance once the tasks of that one are over', async () => {
    const world = await worldWith();
    const runner = world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'ready');
    const first = await startedAt(world);
    await kill(world, runner);
    const second = world.startRunner();
    go(world);
    await world.api.waitUntilFinished(id);
    expect(await startedAt(world)).toBe(first);
    expect(await aftermathOf(world, secrets)).toEqual(nothing);
    await kill(world, second);
    world.startRunner();
    await expect.poll(() => startedAt(world), { timeout: 20_000 }).not.toBe(first);
  });
});

describe('a second runner on the same state directory', () => {
  it('is refused with exit code 2 while the first lives, and takes over when that is dead', async () => {
    const world = await worldWith();
    const first = world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'ready');
    const second = world.startRunner();
    expect(await world.end(second)).toEqual({ code: 2, signal: null });
    expect(second.output()).toContain(
      `another runner (process ${first.pid}) uses the directory ${join(world.directory, 'work')}`,
    );
    await kill(world, first);
    world.startRunner();
    go(world);
    expect((await world.api.waitUntilFinished(id)).status).toBe('success');
    expect(marks(world, id)).toEqual(['started', 'ended']);
  });
});

describe('a runner with fewer slots than there are tasks to take over', () => {
  it('goes on with all of them, and with a new one when they are fewer than its slots', async () => {
    const world = await worldWith({ max_parallel_tasks: 3 });
    const runner = world.startRunner();
    const ids = [await world.api.startTask(1), await world.api.startTask(1), await world.api.startTask(1)];
    for (const id of ids) await world.api.waitForLine(id, 'ready');
    await kill(world, runner);
    const file = join(world.directory, 'runner.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"max_parallel_tasks":3', '"max_parallel_tasks":1'));
    // The server gives it as many as it likes.
    await world.api.text('PUT', '/runners/1', { max_parallel_tasks: 0 });
    const next = world.startRunner();
    await expect.poll(() => next.output(), { timeout: 20_000 }).toContain('Going on with tasks of an earlier run');
    const late = await world.api.startTask(1);
    await world.api.waitUntil(late, ({ status }) => status === 'starting');
    for (const id of ids) expect((await world.api.task(id)).status).toBe('running');
    expect(marks(world, late)).toEqual([]);
    go(world);
    for (const id of [...ids, late]) {
      expect((await world.api.waitUntilFinished(id)).status).toBe('success');
      expect(marks(world, id)).toEqual(['started', 'ended']);
    }
    expect(await aftermathOf(world, secrets)).toEqual(nothing);
  });
});

describe('a runner whose token was replaced while it was away', () => {
  it('cannot read what its task was, ends it, and says so', async () => {
    const world = await createWorld({
      files: { 'patient.sh': patient },
      project: { variable_groups: [secretGroup], templates: [scriptTemplate(1, 'patient.sh')] },
    });
    const server = await world.startServer();
    const runner = world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'ready');
    await kill(world, runner);
    await kill(world, server);
    replaceToken(world, 'a-new-token-of-the-same-runner');
    await world.startServer();
    world.startRunner();
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    const said = (await ending(world, id)).join('\n');
    // Nobody knows any more what to mask in what it said while it was stopped.
    expect(said).not.toContain(secrets[0]);
    expect(said).toMatch(/Part of the log is withheld/);
    expect(said).toMatch(
      /started again with another token, and cannot read what this task was to do\. It was ended\.$/,
    );
    expect(await aftermathOf(world, secrets)).toEqual(nothing);
    expect(marks(world, id)).toEqual(['started']);
  });
});

describe('a one-off runner that is killed', () => {
  it.each(['while its task runs', 'when its task is over'])(
    '%s ends after that task when it is started again',
    async (when) => {
      const world = await worldWith({ one_off: true });
      const runner = world.startRunner(
        when === 'while its task runs'
          ? {}
          : {
              NODE_OPTIONS: `--require ${join(import.meta.dirname, '../support/kill-harness/kill-switch.cjs')}`,
              KILL_ROOTS: join(world.directory, 'work'),
              KILL_AT: JSON.stringify({ label: 'event status success', nth: 1, moment: 'after' }),
            },
      );
      const id = await world.api.startTask(1);
      await world.api.waitForLine(id, 'ready');
      if (when === 'while its task runs') await kill(world, runner);
      go(world);
      await world.end(runner);
      const other = await world.api.startTask(1);
      expect(await world.end(world.startRunner())).toEqual({ code: 0, signal: null });
      expect((await world.api.task(id)).status).toBe('success');
      expect(marks(world, id)).toEqual(['started', 'ended']);
      expect(marks(world, other)).toEqual([]);
      expect(await aftermathOf(world, secrets)).toEqual(nothing);
    },
  );
});

/** Gives the runner another token, on its own disk and in the state of the server, which does not run. */
function replaceToken({ directory }: World, token: string): void {
  writeFileSync(join(directory, 'runner.token'), token);
  const state = join(directory, '.semaphore-server/state');
  const journals = readdirSync(state)
    .filter((name) => /^journal-\d+\.jsonl$/.test(name))
    .sort((a, b) => Number(a.replaceAll(/\D/g, '')) - Number(b.replaceAll(/\D/g, '')));
  const records = journals
    .flatMap((name) => readFileSync(join(state, name), 'utf8').split('\n').slice(0, -1))
    .map((line) => JSON.parse(line) as { k: string; v?: object });
  const runner = records.findLast(({ k }) => k === 'runner')?.v;
  const tokenHash = createHash('sha256').update(token).digest('hex');
  const renewed = JSON.stringify({ k: 'runner', v: { ...runner, tokenHash } });
  writeFileSync(join(state, journals.at(-1) ?? 'journal-1.jsonl'), `${renewed}\n`, { flag: 'a' });
}
