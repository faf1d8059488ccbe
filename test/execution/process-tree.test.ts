import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Cgroups } from '../../src/execution/index.ts';
import { findCgroupPlaces } from '../../src/execution/cgroup-layout.ts';
import { needs } from '../support/tools.ts';
import { startStep } from './step.ts';

// Process trees on a machine that may have other things to do.
vi.setConfig({ testTimeout: 60_000 });

/** As daemons are made: two forks, a session, nothing open, no way back, and here also nothing in its environment. */
const daemon = `
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir('/')
for fd in range(64):
    try: os.close(fd)
    except OSError: pass
os.execve('/bin/sleep', ['sleep', '1000'], {})
`;

/** What a script can do to be left alone, each ending in a process that lives on. */
const trees: Readonly<Record<string, string>> = {
  'a tree of forks':
    'grow() { if [ $1 -gt 0 ]; then grow $(($1-1)) & grow $(($1-1)) & fi; sleep 1000 & wait; }; grow 3 &',
  'a double fork': '(sleep 1000 &)',
  'a session of its own': 'setsid sleep 1000 &',
  'a session without a parent': 'setsid -f sleep 1000',
  nohup: 'nohup sleep 1000 >/dev/null 2>&1 &',
  'a cleared environment': 'env -i sleep 1000 &',
  'a cleared environment and a session without a parent': 'env -i setsid -f sleep 1000',
  'a daemon': `python3 -c "$DAEMON"`,
  'children that ignore every polite signal':
    "(trap '' TERM INT HUP QUIT; setsid bash -c 'while :; do sleep 1; done') &",
  'children that stop themselves': `bash -c 'kill -STOP $$' & setsid -f bash -c 'kill -STOP $$'`,
  'a holder of the log': 'exec 7>&1; setsid -f sleep 1000',
  'two that start each other again': `revive() { while :; do bash -c 'sleep 0.05; exit' ; done; }; (revive &); setsid -f bash -c 'while :; do (sleep 0.1); done'`,
  'one that is somebody else after each moment, in one group':
    'python3 -c "import os\nwhile True:\n  if os.fork(): os._exit(0)" &',
};

/** The nets by which processes are caught: with and without cgroups, of either version. */
const nets: readonly [string, () => Promise<Cgroups | undefined>][] = [
  ['without cgroups', () => Promise.resolve(undefined)],
  ['with cgroups, version 2', () => open(2)],
  ['with cgroups, version 1', () => open(1)],
];

async function open(version: 1 | 2): Promise<Cgroups | undefined> {
  const places = findCgroupPlaces().filter((place) => place.version === version);
  const opened = await Cgroups.open({
    limits: { cpu: undefined, memoryBytes: undefined, processes: undefined },
    owner: `test ${process.pid}`,
    places,
  });
  if (opened instanceof Cgroups) return opened;
  process.stderr.write(`\n!!! ${opened.reason}: tests with cgroups of version ${version} are run without.\n\n`);
  return undefined;
}

describe.each(nets)('%s', (_, openNet) => {
  describe.each(Object.entries(trees))('%s', (name, tree) => {
    const able = name === 'a daemon' || name.startsWith('one that') ? needs('python3') : true;

    it.runIf(able)('is ended when the task is stopped', async () => {
      const step = startStep(`${tree}\nsleep 0.3; echo ready; wait; sleep 1000`, { env: environment }, await openNet());
      await step.said('ready');
      expect(step.processes.list().length).toBeGreaterThan(3);
      step.stop();
      expect(await step.result).toEqual({ kind: 'stopped' });
      await step.expectNothingLeft();
    });

    it.runIf(able)('is ended when the tool has ended by itself', async () => {
      const step = startStep(`${tree}\nsleep 0.3; echo ready; exit 3`, { env: environment }, await openNet());
      expect(await step.result).toEqual({ kind: 'exited', code: 3 });
      expect(step.log()).toContain('ready');
      await step.expectNothingLeft();
    });
  });
});

const environment = { PATH: process.env['PATH'] ?? '', DAEMON: daemon };

describe('a cgroup', () => {
  it.runIf(needs('python3'))(
    'holds even one that is somebody else, in another session, after each moment',
    async () => {
      const cgroups = await open(2);
      if (!cgroups) return;
      const comet = 'import os\nwhile True:\n  if os.fork(): os._exit(0)\n  os.setsid()';
      const step = startStep(
        `env -i python3 -c "$COMET" & sleep 0.5; echo ready; wait; sleep 1000`,
        {
          env: { PATH: process.env['PATH'] ?? '', COMET: comet },
        },
        cgroups,
      );
      await step.said('ready');
      step.stop();
      expect(await step.result).toEqual({ kind: 'stopped' });
      await step.expectNothingLeft();
    },
  );
});

describe('the first signal', () => {
  it('reaches every process, in every group and session, once', async () => {
    const note = (name: string) =>
      `trap 'echo ${name} >>"$NOTES"; exit' TERM; echo ${name} is ready; while :; do sleep 0.05; done`;
    const script = [
      `bash -c '${note('child').replaceAll("'", `'\\''`)}' &`,
      `setsid bash -c '${note('session').replaceAll("'", `'\\''`)}' &`,
      `env -i NOTES="$NOTES" PATH="$PATH" setsid -f bash -c '${note('stray').replaceAll("'", `'\\''`)}'`,
      `trap 'echo tool >>"$NOTES"' TERM; wait; wait; wait`,
    ].join('\n');
    const step = startStep(script, {
      stop: { signal: 'SIGTERM', graceMs: 20_000 },
      env: { PATH: process.env['PATH'] ?? '', NOTES: '/dev/stdout' },
    });
    for (const name of ['child', 'session', 'stray']) await step.said(`${name} is ready`);
    step.stop();
    expect(await step.result).toEqual({ kind: 'stopped' });
    const notes = step
      .log()
      .split('\n')
      .filter((line) => /^(tool|child|session|stray)$/.test(line));
    expect(notes.toSorted()).toEqual(['child', 'session', 'stray', 'tool']);
    await step.expectNothingLeft();
  });

  it('wakes what has stopped itself, so that it can clean up', async () => {
    const step = startStep(`trap 'echo cleaned up; exit' TERM; echo ready; kill -STOP $$; sleep 1000`, {
      stop: { signal: 'SIGTERM', graceMs: 20_000 },
    });
    await step.said('ready');
    step.stop();
    expect(await step.result).toEqual({ kind: 'stopped' });
    expect(step.log()).toContain('cleaned up');
  });

  it('leaves the helpers of a tool the whole grace, also when the tool has gone', async () => {
    const step = startStep(
      `setsid bash -c 'trap "sleep 1; touch done; exit" TERM; echo ready; while :; do sleep 0.05; done' >/dev/stderr & wait`,
      { stop: { signal: 'SIGTERM', graceMs: 20_000 } },
    );
    await step.said('ready');
    step.stop();
    expect(await step.result).toEqual({ kind: 'stopped' });
    expect(existsSync(join(step.directory, 'done'))).toBe(true);
    await step.expectNothingLeft();
  });

  it('is TERM, after the tool, for what a shell has started in the background and so ignores INT', async () => {
    const step = startStep(`sleep 1000 & trap 'echo interrupted; exit' INT; echo ready; wait`, {
      stop: { signal: 'SIGINT', graceMs: 60_000 },
    });
    await step.said('ready');
    const before = Date.now();
    step.stop();
    expect(await step.result).toEqual({ kind: 'stopped' });
    expect(Date.now() - before).toBeLessThan(50_000);
    expect(step.log()).toContain('interrupted');
    await step.expectNothingLeft();
  });
});

describe('the search', () => {
  it('does not take processes of others for those of the task', async () => {
    const one = startStep('echo ready; sleep 1000');
    const other = startStep('echo ready; sleep 1000');
    await Promise.all([one.said('ready'), other.said('ready')]);
    const ours = one.processes.list().map(({ pid }) => pid);
    expect(ours).not.toContain(process.pid);
    expect(ours.filter((pid) => other.processes.list().some((stat) => stat.pid === pid))).toEqual([]);
    one.stop();
    await one.result;
    expect(other.processes.list().length).toBeGreaterThan(0);
    other.stop();
    await other.result;
    await other.expectNothingLeft();
  });

  it('finds what left the environment and the parent, by its mark', async () => {
    const step = startStep('env -i setsid -f sleep 1000; echo ready; exit 0');
    await step.result;
    // What was killed with its group needs a moment to be gone.
    await vi.waitFor(() => expect(step.processes.list()).toHaveLength(1), { timeout: 10_000 });
    const [left] = step.processes.list();
    expect(left?.parent).toBe(1);
    writeFileSync(join(step.directory, 'pid'), String(left?.pid));
    expect(step.processes.kill()).toBe(1);
    await step.expectNothingLeft();
  });
});
