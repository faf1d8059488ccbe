import { existsSync, mkdirSync, openSync, readFileSync, rmdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { TaskLimits } from '../../src/config/index.ts';
import { handOn } from '../../src/execution/cgroup-delegation.ts';
import { findCgroupPlaces, placesFrom } from '../../src/execution/cgroup-layout.ts';
import { hitSentence, timesHit, writeLimit } from '../../src/execution/cgroup-limits.ts';
import { Cgroups, TaskProcesses } from '../../src/execution/index.ts';
import { CgroupWarmUp } from '../../src/execution/cgroup-warm-up.ts';
import { TaskCgroup } from '../../src/execution/task-cgroup.ts';
import { cgroupsOf } from '../support/survivors.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { startStep } from './step.ts';

vi.setConfig({ testTimeout: 60_000 });

const none: TaskLimits = { cpu: undefined, memoryBytes: undefined, processes: undefined };

/** Real cgroups, or the reason why there are none here: only root, or who was given a part of them, can make some. */
async function open(limits: Partial<TaskLimits> = {}, owner = `test ${process.pid}`): Promise<Cgroups | string> {
  const opened = await Cgroups.open({ limits: { ...none, ...limits }, owner });
  return opened instanceof Cgroups ? opened : opened.reason;
}

async function openOrSay(limits: Partial<TaskLimits> = {}, owner?: string): Promise<Cgroups | undefined> {
  const opened = await open(limits, owner);
  if (opened instanceof Cgroups) return opened;
  process.stderr.write(`\n!!! ${opened}: tests of limits are not run.\n\n`);
  return undefined;
}

const limited = await openOrSay({ cpu: 0.5, memoryBytes: 64 * 1024 * 1024, processes: 24 });
const isRoot = process.getuid?.() === 0;

describe('the place of this process', () => {
  const unified = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate';
  const hybrid = [
    '31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw',
    String.raw`32 31 0:29 /docker/12 /sys/fs/cg\040group/cpu rw - cgroup cgroup rw,cpu,cpuacct`,
    '33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
    '41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
  ].join('\n');

  it('is read from a system with version 2', () => {
    expect(placesFrom(unified, '0::/system.slice/semaphore.service\n')).toEqual([
      { version: 2, controllers: [], path: '/sys/fs/cgroup/system.slice/semaphore.service' },
    ]);
  });

  it('is read from a system with both versions, version 2 first', () => {
    expect(placesFrom(hybrid, '5:cpu,cpuacct:/docker/12/a\n4:memory:/\n3:name=systemd:/\n0::/b:c\n')).toEqual([
      { version: 2, controllers: [], path: '/sys/fs/cgroup/unified/b:c' },
      { version: 1, controllers: ['cpu', 'cpuacct'], path: '/sys/fs/cg group/cpu/a' },
      { version: 1, controllers: ['memory'], path: '/sys/fs/cgroup/memory/' },
    ]);
  });

  it('is left out where it is not mounted, or outside of this namespace', () => {
    expect(placesFrom(unified, '4:memory:/x\n0::/../other\n')).toEqual([]);
    expect(placesFrom(hybrid, '5:cpu,cpuacct:/docker/123\n')).toEqual([]);
    expect(placesFrom('', '0::/\n')).toEqual([]);
  });

  it('is found here', () => {
    for (const { path } of findCgroupPlaces()) expect(existsSync(join(path, 'cgroup.procs'))).toBe(true);
  });
});

describe('limits of version 2', () => {
  it('are written as the kernel reads them', () => {
    const directory = tempDir();
    writeFileSync(join(directory, 'memory.swap.max'), 'max');
    writeLimit(directory, 2, 'cpu', 1.5);
    writeLimit(directory, 2, 'memoryBytes', 1e9);
    writeLimit(directory, 2, 'processes', 100);
    const read = (name: string) => readFileSync(join(directory, name), 'utf8');
    expect(['cpu.max', 'memory.max', 'memory.swap.max', 'pids.max'].map(read)).toEqual([
      '150000 100000',
      '1000000000',
      '0',
      '100',
    ]);
  });

  it('are counted when they are met', () => {
    const directory = tempDir();
    expect(timesHit(directory, 2, 'memoryBytes')).toBe(0);
    writeFileSync(join(directory, 'memory.events'), 'low 0\nhigh 0\nmax 9\noom 2\noom_kill 2\noom_group_kill 0\n');
    writeFileSync(join(directory, 'pids.events'), 'max 3\n');
    expect(timesHit(directory, 2, 'memoryBytes')).toBe(2);
    expect(timesHit(directory, 2, 'processes')).toBe(3);
  });

  it('are told in words', () => {
    const limits = { cpu: undefined, memoryBytes: 1_500_000_000, processes: 100 };
    expect(hitSentence('memoryBytes', 1, limits)).toBe(
      'The task needed more memory than it may have (1.5 GB, runner.limits.memory): the system killed a process of it.',
    );
    expect(hitSentence('memoryBytes', 2, { ...limits, memoryBytes: 512 * 1024 * 1024 })).toContain('512 MiB');
    expect(hitSentence('processes', 7, limits)).toBe(
      'The task reached its limit of 100 processes (runner.limits.processes): 7 more could not be started.',
    );
  });
});

describe('what a place hands on', () => {
  it('is what is wanted and not handed on yet', () => {
    const path = tempDir();
    const file = join(path, 'cgroup.subtree_control');
    writeFileSync(file, 'cpu pids\n');
    handOn(path, ['cpu', 'pids']);
    expect(readFileSync(file, 'utf8')).toBe('cpu pids\n');
    handOn(path, ['cpu', 'memory']);
    expect(readFileSync(file, 'utf8')).toBe('+memory');
  });
});

describe('where there are none', () => {
  it('says so', async () => {
    expect(await Cgroups.open({ limits: none, owner: 'x', places: [] })).toMatchObject({
      reason: 'no cgroup file system is mounted',
    });
  });

  it('names the controller that is missing', async () => {
    const path = tempDir();
    const opened = await Cgroups.open({
      limits: { ...none, memoryBytes: 1e9 },
      owner: 'x',
      places: [{ version: 2, controllers: ['cpu', 'pids'], path }],
    });
    expect(opened).toMatchObject({
      reason: `the memory controller is not available for ${path}`,
      hint: expect.stringContaining('Delegate=yes'),
    });
  });

  it('names the directory that it may not write to', async () => {
    const opened = await Cgroups.open({
      limits: none,
      owner: 'x',
      places: [{ version: 2, controllers: [], path: '/proc/1/no-such' }],
    });
    expect(opened).toMatchObject({ reason: expect.stringContaining('/proc/1/no-such') });
  });
});

describe.runIf(limited)('a task with limits', () => {
  const start = (script: string, spec: Parameters<typeof startStep>[1] = {}) => startStep(script, spec, limited);

  it('is in a cgroup with everything it starts, and the cgroup goes with it', async () => {
    const step = start('env -i setsid -f sleep 1000; cat /proc/self/cgroup; echo ready; sleep 1000');
    await step.said('ready');
    const directories = cgroupsOf(step.tag);
    expect(directories.length).toBeGreaterThan(0);
    expect(
      step
        .log()
        .split('\n')
        .filter((line) => line.includes(step.tag)),
    ).toHaveLength(directories.length);
    const processes = readFileSync(join(directories[0] ?? '', 'cgroup.procs'), 'utf8')
      .split('\n')
      .filter(Boolean);
    expect(processes.toSorted()).toEqual(
      step.processes
        .list()
        .map(({ pid }) => String(pid))
        .toSorted(),
    );
    step.stop();
    await step.result;
    await step.expectNothingLeft();
    expect(cgroupsOf(step.tag)).toEqual([]);
  });

  it.runIf(needs('python3'))('is killed for its memory, and says so', async () => {
    const step = start(`python3 -c "
held = []
while True: held.append(bytearray(1024 * 1024))"; echo "the code is $?"; exit 9`);
    expect(await step.result).toEqual({ kind: 'exited', code: 9 });
    expect(step.log()).toContain('the code is 137');
    const { hits } = await step.processes.end();
    expect(hits).toEqual([
      'The task needed more memory than it may have (64 MiB, runner.limits.memory): the system killed a process of it.',
    ]);
    await step.expectNothingLeft();
  });

  it.runIf(needs('python3'))(
    'cannot start more processes than it may, which does not keep it from ending, and says so',
    async () => {
      // Other shells wait and try again for long.
      const step = start(`python3 -c "
import os, time
for each in range(60):
    if os.fork() == 0: time.sleep(1000)"`);
      expect(await step.result).not.toEqual({ kind: 'exited', code: 0 });
      const { hits } = await step.processes.end();
      expect(hits.join('\n')).toMatch(/^The task reached its limit of 24 processes \(runner\.limits\.processes\): /);
      await step.expectNothingLeft();
    },
  );

  it('has its share of the processors', async () => {
    const slow = await openOrSay({ cpu: 0.05 });
    const step = startStep('i=0; while :; do i=$((i+1)); done', {}, slow);
    const throttled = () =>
      cgroupsOf(step.tag)
        .map((directory) => join(directory, 'cpu.stat'))
        .filter(existsSync)
        .some((file) => /^nr_throttled [1-9]/m.test(readFileSync(file, 'utf8')));
    await expect.poll(throttled, { timeout: 30_000 }).toBe(true);
    step.stop();
    await step.result;
    await step.expectNothingLeft();
  });

  it('is ended though its cgroup has others below', async () => {
    const step = start('echo ready; sleep 1000');
    await step.said('ready');
    const [directory = ''] = cgroupsOf(step.tag);
    const below = join(directory, 'of-the-task');
    mkdirSync(below);
    const [pid] = readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n');
    writeFileSync(join(below, 'cgroup.procs'), pid ?? '');
    expect(step.processes.cgroup?.processes()).toContain(Number(pid));
    step.stop();
    await step.result;
    await step.expectNothingLeft();
  });

  it.runIf(isRoot && needs('setpriv')).each([
    ['another user', { uid: 65_534, gid: 65_534 }],
    [
      'another user with groups and without new privileges',
      { uid: 65_534, gid: 65_534, groups: [1], noNewPrivs: true },
    ],
  ])('is within them as %s', async (_, identity) => {
    const step = start('id -u; cat /proc/self/cgroup; ls /proc/self/fd | wc -l; echo ready; sleep 1000', {
      ...identity,
      cwd: '/',
    });
    await step.said('ready');
    expect(step.log()).toMatch(/^65534\n/);
    expect(step.log()).toContain(step.tag);
    step.stop();
    await step.result;
    await step.expectNothingLeft();
  });

  it('gives its tool no way to the cgroup', async () => {
    const step = start('for fd in /proc/$$/fd/*; do readlink "$fd"; done; echo over');
    await step.result;
    expect(step.log()).not.toContain('cgroup');
    await step.expectNothingLeft();
  });

  it('does not start where it cannot enter', async () => {
    const limits = { ...none, processes: 24 };
    const uses = [{ place: { version: 2, controllers: ['pids'], path: tempDir() }, limits: ['processes'] }] as const;
    class Closed extends TaskCgroup {
      override openEntrances(): number[] {
        return [openSync('/dev/full', 'w')];
      }
      override remove(): Promise<boolean> {
        return Promise.resolve(true);
      }
    }
    const step = startStep(
      'echo started',
      {},
      { task: (tag) => new Closed({ uses, name: tag, limits, warmUp: new CgroupWarmUp() }) },
    );
    expect(await step.result).toEqual({ kind: 'exited', code: 126 });
    expect(step.log()).toBe('The cgroup of this task cannot be entered: the tool was not started.\n');
  });
});

describe.runIf(limited)('to make the next entry fast', () => {
  it('this process is moved to where it is, and not again at once', async () => {
    const place = (): string => readFileSync('/proc/self/cgroup', 'utf8');
    const before = place();
    const warmUp = new CgroupWarmUp();
    const first = warmUp.begin();
    expect(await warmUp.begin()).toBe(false);
    expect(await first).toBe(true);
    expect(await warmUp.begin()).toBe(false);
    await vi.waitFor(async () => expect(await warmUp.begin()).toBe(true), { timeout: 5000, interval: 20 });
    expect(place()).toBe(before);
  });
});

describe.runIf(limited)('after a runner that was killed', () => {
  it('a task is found in its cgroup and ended', async () => {
    const owner = `test of ${tempDir()}`;
    const earlier = await openOrSay({ processes: 24 }, owner);
    const step = startStep('env -i setsid -f sleep 1000; echo ready; sleep 1000', {}, earlier);
    await step.said('ready');
    const next = await openOrSay({ processes: 24 }, owner);
    const found = new TaskProcesses(step.tag, { cgroup: next?.task(step.tag), takenOver: true });
    expect(found.list().map(({ pid }) => pid)).toEqual(step.processes.list().map(({ pid }) => pid));
    await found.end();
    await step.result;
    await step.survivors.expectNone();
  });

  it('what others have left is removed when it is old and nobody is in it', async () => {
    const [directory = ''] = limited?.task('x').directories.map(dirname) ?? [];
    const names = ['semaphore-0123abcd-1-old', 'semaphore-0123abcd-2-new', 'other-0123abcd-1-old'];
    const paths = names.map((name) => join(directory, name));
    for (const path of paths) mkdirSync(path);
    onTestFinished(() => paths.filter(existsSync).forEach((path) => rmdirSync(path)));
    const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000);
    for (const path of [paths[0], paths[2]]) utimesSync(path ?? '', twoDaysAgo, twoDaysAgo);
    await limited?.removeLeftovers(new Set());
    expect(paths.map((path) => existsSync(path))).toEqual([false, true, true]);
  });

  it('cgroups that no task needs are removed with what is in them, but not those of others', async () => {
    const owner = `test of ${tempDir()}`;
    const earlier = await openOrSay({ processes: 24 }, owner);
    const lost = startStep('echo ready; sleep 1000', {}, earlier);
    const kept = startStep('echo ready; sleep 1000', {}, earlier);
    const foreign = startStep('echo ready; sleep 1000', {}, limited);
    await Promise.all([lost, kept, foreign].map((step) => step.said('ready')));

    const next = await openOrSay({ processes: 24 }, owner);
    expect(await next?.removeLeftovers(new Set([kept.tag]))).toBe(1);
    await lost.survivors.expectNone();
    expect(cgroupsOf(kept.tag)).not.toEqual([]);
    expect(cgroupsOf(foreign.tag)).not.toEqual([]);
    expect(kept.processes.list().length).toBeGreaterThan(0);
    expect(foreign.processes.list().length).toBeGreaterThan(0);
    for (const step of [kept, foreign]) {
      step.stop();
      await step.result;
      await step.expectNothingLeft();
    }
  });
});
