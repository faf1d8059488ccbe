import { EventEmitter } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { guardAgainstCrash, listenForInterruption } from '../../src/agent/listener/index.ts';
import { describeArch, describeOs, linuxName, windowsName } from '../../src/agent/listener/machine.ts';
import { hookCommand, runShutdownHook } from '../../src/agent/listener/shutdown-hook.ts';
import {
  drop,
  FastClock,
  heldJob,
  memoryLogger,
  startTestAgent,
  startTestHub,
  status,
  until,
} from '../ci-hub/index.ts';
import { tempDir } from '../support/temp-dir.ts';

const clock = new FastClock(50);
const quick = { clock, intervalSlackMs: 3000 };

/** A hook that writes its reason and its directory down. */
function hook(script = ''): { options: { path: string; env: NodeJS.ProcessEnv; cwd: string }; reason: () => string } {
  const directory = tempDir();
  const path = join(directory, 'hook.sh');
  const file = join(directory, 'reason');
  writeFileSync(path, `echo "$SEMAPHORE_AGENT_SHUTDOWN_REASON $OWN $PWD" > '${file}'\n${script}`);
  return {
    options: { path, env: { ...process.env, OWN: 'mine' }, cwd: directory },
    reason: () => (existsSync(file) ? readFileSync(file, 'utf8').trim() : ''),
  };
}

/** A zombie, which only waits for its parent to look, is not. */
function isAlive(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && !/\) [ZX] /.test(readFileSync(stat, 'utf8'));
}

describe('the end that the server orders (spec CI 2.10, 2.11)', () => {
  it('idle: after the registered time without a job, but a queued job comes first', async () => {
    const hub = await startTestHub(quick);
    const ending = hook();
    const agent = await startTestAgent({
      hub,
      clock,
      registration: { idleTimeout: 20 },
      shutdownHook: ending.options,
    });
    hub.enqueue({ job_id: 'J' });
    expect(await agent.exitCode).toBe(0);
    expect(hub.job('J').result).toBe('passed');
    expect(ending.reason()).toBe(`IDLE mine ${ending.options.cwd}`);
  });

  it('job-finished: after the one job of an agent that registered for one', async () => {
    const hub = await startTestHub(quick);
    const ending = hook();
    const [one, other] = [hub.enqueue({}), hub.enqueue({})];
    const agent = await startTestAgent({
      hub,
      clock,
      registration: { singleJob: true, jobId: other },
      shutdownHook: ending.options,
    });
    expect(await agent.exitCode).toBe(0);
    expect([hub.job(one).state, hub.job(other).result]).toEqual(['queued', 'passed']);
    expect(ending.reason()).toContain('JOB_FINISHED ');
  });

  it('requested: an agent that is disabled stops its job and goes', async () => {
    const hub = await startTestHub(quick);
    const ending = hook();
    const job = heldJob();
    const agent = await startTestAgent({ hub, clock, startJob: job.startJob, shutdownHook: ending.options });
    hub.enqueue({ job_id: 'J' });
    await until(() => job.started.length === 1, 'the job');
    hub.disable('builder-eu-07');
    expect(await agent.exitCode).toBe(0);
    expect(hub.job('J').result).toBe('stopped');
    expect(ending.reason()).toContain('REQUESTED ');
  });

  it('any other word: unknown, and 0 all the same', async () => {
    const hub = await startTestHub(quick);
    hub.fault({ path: /sync/ }, status(200, '{"action":"shutdown","shutdown_reason":"lunch"}'));
    const ending = hook();
    const agent = await startTestAgent({ hub, clock, shutdownHook: ending.options });
    expect(await agent.exitCode).toBe(0);
    expect(ending.reason()).toContain('UNKNOWN ');
  });

  it('is the agent’s own when it cannot sync: the hook is told so, and the exit code is 1', async () => {
    const hub = await startTestHub(quick);
    const ending = hook();
    const agent = await startTestAgent({ hub, clock, shutdownHook: ending.options });
    await until(() => hub.agents()[0]?.syncs === 1, 'the first sync');
    hub.forget('builder-eu-07');
    expect(await agent.exitCode).toBe(1);
    expect(ending.reason()).toContain('UNABLE_TO_SYNC ');
  });

  it('while a job runs: stops it, and waits for its log before it says good-bye', async () => {
    const hub = await startTestHub(quick);
    const order: string[] = [];
    const agent = await startTestAgent({
      hub,
      clock,
      startJob: async (_request, { stop }) => {
        await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
        await clock.sleep(120_000);
        order.push('log delivered');
        return 'stopped';
      },
    });
    hub.enqueue({ job_id: 'J' });
    await until(() => hub.agents()[0]?.state === 'running-job', 'the job');
    hub.fault({ path: /sync/ }, status(200, '{"action":"shutdown","shutdown_reason":"requested"}'));
    hub.fault({ path: /disconnect/ }, async (_incoming, handle) => {
      order.push('disconnected');
      return await handle();
    });
    expect(await agent.exitCode).toBe(0);
    expect(order).toEqual(['log delivered', 'disconnected']);
  });
});

describe('the good-bye (spec CI 2.6)', () => {
  it('is said again until the server has heard it, 1 s apart', async () => {
    const hub = await startTestHub(quick);
    const deaf = [
      hub.fault({ path: /disconnect/, times: 3 }, status(500)),
      hub.fault({ path: /disconnect/ }, drop()),
      hub.fault({ path: /disconnect/ }, status(201)),
    ];
    const agent = await startTestAgent({ hub, clock, registration: { singleJob: true } });
    hub.enqueue({});
    expect(await agent.exitCode).toBe(0);
    expect(deaf.map(({ hits }) => hits)).toEqual([3, 1, 1]);
    expect(hub.agents()).toEqual([]);
  });

  it('need not be said to a server that has forgotten the agent', async () => {
    const hub = await startTestHub(quick);
    const deaf = hub.fault({ path: /disconnect/, times: 100 }, status(404));
    const agent = await startTestAgent({ hub, clock, registration: { singleJob: true } });
    hub.enqueue({});
    expect(await agent.exitCode).toBe(0);
    expect(deaf.hits).toBe(1);
  });

  it('that nobody hears 100 times is only logged: the hook runs, the exit code is the same', async () => {
    const hub = await startTestHub({ clock: new FastClock(300), intervalSlackMs: 3000 });
    const deaf = hub.fault({ path: /disconnect/, times: 1000 }, status(500));
    const ending = hook();
    const agent = await startTestAgent({
      hub,
      clock: new FastClock(300),
      registration: { singleJob: true },
      shutdownHook: ending.options,
    });
    hub.enqueue({});
    expect(await agent.exitCode).toBe(0);
    // Fewer on a machine so slow that five minutes are over before.
    expect(deaf.hits).toBeGreaterThan(10);
    expect(deaf.hits).toBeLessThanOrEqual(100);
    expect(agent.log.join('\n')).toContain('The agent could not disconnect');
    expect(ending.reason()).toContain('JOB_FINISHED ');
  });
});

describe('interruption (spec CI 2.9)', () => {
  it('of an agent that waits: told at once, and the server ends it', async () => {
    const hub = await startTestHub({ ...quick, nextSyncAfterMs: [3_000_000, 3_000_000] });
    const ending = hook();
    const agent = await startTestAgent({ hub, clock, shutdownHook: ending.options });
    await until(() => hub.agents()[0]?.syncs === 1, 'the first sync');
    const at = clock.now() / 1000;
    agent.interrupt();
    expect(await agent.exitCode).toBe(0);
    expect(ending.reason()).toContain('INTERRUPTED ');
    const told =
      hub
        .exchanges()
        .filter(({ path }) => path === '/sync')
        .at(-1)?.body ?? '';
    const { interrupted_at: interruptedAt } = JSON.parse(told) as { interrupted_at: number };
    expect(Math.abs(interruptedAt - at)).toBeLessThan(30);
    expect(Number.isInteger(interruptedAt)).toBe(true);
  });

  it('without a grace period: the job is stopped', async () => {
    const hub = await startTestHub(quick);
    const job = heldJob();
    const agent = await startTestAgent({ hub, clock, startJob: job.startJob });
    hub.enqueue({ job_id: 'J' });
    await until(() => hub.agents()[0]?.state === 'running-job', 'the job');
    agent.interrupt();
    expect(await agent.exitCode).toBe(0);
    expect(hub.job('J').result).toBe('stopped');
  });

  it('within the grace period: the job ends by itself, and every later sync tells the same time', async () => {
    const hub = await startTestHub(quick);
    const job = heldJob();
    const agent = await startTestAgent({
      hub,
      clock,
      startJob: job.startJob,
      registration: { interruptionGracePeriod: 100_000 },
    });
    hub.enqueue({ job_id: 'J' });
    await until(() => hub.agents()[0]?.state === 'running-job', 'the job');
    agent.interrupt();
    await until(() => hub.agents()[0]?.interruptedAt !== 0, 'the interruption');
    const syncs = hub.agents()[0]?.syncs ?? 0;
    await until(() => (hub.agents()[0]?.syncs ?? 0) > syncs + 2, 'more syncs');
    expect(job.stopped).toBe(0);
    job.end('passed');
    expect(await agent.exitCode).toBe(0);
    expect(hub.job('J').result).toBe('passed');
    const times = hub
      .exchanges()
      .filter(({ path }) => path === '/sync')
      .map(({ body }) => (JSON.parse(body) as { interrupted_at: number }).interrupted_at);
    expect(new Set(times.slice(times.findIndex((time) => time !== 0))).size).toBe(1);
  });

  it('after the grace period: the job is stopped', async () => {
    const hub = await startTestHub(quick);
    const job = heldJob();
    const agent = await startTestAgent({
      hub,
      clock,
      startJob: job.startJob,
      registration: { interruptionGracePeriod: 20 },
    });
    hub.enqueue({ job_id: 'J' });
    await until(() => hub.agents()[0]?.state === 'running-job', 'the job');
    agent.interrupt();
    expect(await agent.exitCode).toBe(0);
    expect(hub.job('J').result).toBe('stopped');
    expect(job.stopped).toBe(1);
  });

  it('a third Ctrl-C: the job is stopped, its log left for the next agent, one good-bye, no hook, 130', async () => {
    const hub = await startTestHub(quick);
    const job = heldJob({ delivers: false });
    const ending = hook();
    const agent = await startTestAgent({ hub, clock, startJob: job.startJob, shutdownHook: ending.options });
    hub.enqueue({ job_id: 'J' });
    await until(() => hub.agents()[0]?.state === 'running-job', 'the job');
    agent.quit();
    expect(await agent.exitCode).toBe(130);
    expect([job.stopped, job.abandoned]).toEqual([1, 1]);
    expect(hub.agents()).toEqual([]);
    expect(ending.reason()).toBe('');
  });

  it('a third Ctrl-C while nothing answers: ends all the same', async () => {
    const hub = await startTestHub(quick);
    hub.fault({ path: /disconnect/, times: 1000 }, status(500));
    const agent = await startTestAgent({ hub, clock: new FastClock(1), registration: { singleJob: true } });
    hub.enqueue({});
    await until(() => agent.log.some((line) => line.includes('"what":"disconnect"')), 'the good-bye');
    agent.quit();
    expect(await agent.exitCode).toBe(130);
  });
});

describe('signals', () => {
  it('the first interrupts, later ones change nothing, the third Ctrl-C quits', () => {
    const target = new EventEmitter();
    const names: string[] = [];
    const { signals, release } = listenForInterruption((name) => names.push(name), target as unknown as NodeJS.Process);
    for (let count = 0; count < 5; count += 1) target.emit('SIGTERM', 'SIGTERM');
    expect([signals.interrupted.aborted, signals.quit.aborted]).toEqual([true, false]);
    target.emit('SIGINT', 'SIGINT');
    target.emit('SIGINT', 'SIGINT');
    expect(signals.quit.aborted).toBe(false);
    target.emit('SIGINT', 'SIGINT');
    expect(signals.quit.aborted).toBe(true);
    expect(names).toEqual(['SIGTERM']);
    release();
    expect(['SIGINT', 'SIGTERM', 'SIGUSR1'].map((name) => target.listenerCount(name))).toEqual([0, 0, 0]);
  });

  it('an error that nobody caught is logged, and ends the agent with 1 (spec CI 1.1)', () => {
    const target = new EventEmitter();
    const log: string[] = [];
    const codes: number[] = [];
    const release = guardAgainstCrash(
      memoryLogger(log),
      (code) => codes.push(code),
      target as unknown as NodeJS.Process,
    );
    target.emit('uncaughtException', new Error('boom'));
    target.emit('unhandledRejection', 'a word');
    release();
    expect(codes).toEqual([1, 1]);
    expect(log[0]).toContain('The agent has crashed {"error":"boom","stack":');
    expect(log[1]).toBe('The agent has crashed {"error":"a word"}');
    expect(target.listenerCount('uncaughtException')).toBe(0);
  });
});

describe('the shutdown hook', () => {
  const signal = new AbortController().signal;

  async function run(
    script: string,
    more: { limitMs?: number; signal?: AbortSignal; path?: string } = {},
  ): Promise<string[]> {
    const log: string[] = [];
    const { options } = hook(script);
    await runShutdownHook({ ...options, reason: 'IDLE', logger: memoryLogger(log), signal, ...more });
    return log;
  }

  it('has its output, both kinds, in the log of the agent, line by line', async () => {
    const log = await run('echo one; echo two >&2; printf three');
    expect(log.slice(1, -1).toSorted()).toEqual(
      ['one', 'three', 'two'].map((line) => `The shutdown hook says {"line":"${line}"}`),
    );
    expect(log.at(-1)).toContain('The shutdown hook has ended');
  });

  it.each([
    ['exit 7', 'The shutdown hook has failed', '"outcome":7'],
    ['kill -9 $$', 'The shutdown hook has failed', '"outcome":"SIGKILL"'],
  ])('may fail: %s', async (script, text, outcome) => {
    const last = (await run(script)).at(-1);
    expect(last).toContain(text);
    expect(last).toContain(outcome);
  });

  it('may be missing', async () => {
    const log = await run('', { path: '/nowhere/hook.sh' });
    expect(log.at(-1)).toContain('"outcome":127');
    const lost: string[] = [];
    const options = { path: 'x', env: { PATH: '/nowhere' }, cwd: '/' };
    await runShutdownHook({ ...options, reason: 'IDLE', logger: memoryLogger(lost), signal });
    expect(lost.at(-1)).toContain('The shutdown hook cannot be run');
  });

  it('is killed with all that it started when it takes too long', async () => {
    const pids = join(tempDir(), 'pids');
    const log = await run(`sleep 300 & echo $! > '${pids}'; setsid sleep 300 & echo $! >> '${pids}'; wait`, {
      limitMs: 1500,
    });
    expect(log.at(-1)).toContain('it took longer than 1.5 s');
    for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) {
      expect(isAlive(Number(pid))).toBe(false);
    }
  });

  it('may leave something running that ends the machine later', async () => {
    const pid = join(tempDir(), 'pid');
    const log = await run(`sleep 300 & echo $! > '${pid}'`);
    expect(log.at(-1)).toContain('The shutdown hook has ended');
    const left = Number(readFileSync(pid, 'utf8'));
    onTestFinished(() => void process.kill(left, 'SIGKILL'));
    expect(isAlive(left)).toBe(true);
  });

  it('ends when the agent has to', async () => {
    const quit = new AbortController();
    setTimeout(() => quit.abort(), 300);
    expect((await run('sleep 300', { signal: quit.signal })).at(-1)).toContain('told to end at once');
  });

  it('is PowerShell’s on Windows', () => {
    expect(hookCommand('C:\\hook.ps1', 'win32')).toEqual([
      'powershell',
      '-NoProfile',
      '-NonInteractive',
      'C:\\hook.ps1',
    ]);
    expect(hookCommand('/hook', 'darwin')).toEqual(['bash', '/hook']);
  });
});

describe('the description of the machine (spec CI 2.2)', () => {
  it.each([
    ['NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n', 'Debian GNU/Linux 12 (bookworm)'],
    ['ID=alpine\nNAME=Alpine\n', 'Alpine'],
    ['DISTRIB_ID=Ubuntu\n', ''],
    ['', ''],
  ])('reads %j', (text, name) => {
    expect(linuxName(text)).toBe(name);
  });

  it('has a name here, although there may be no /etc/lsb-release', async () => {
    expect(await describeOs()).not.toBe('');
    expect(hostname()).not.toBe('');
    expect(await describeOs('', 'freebsd')).toBe('');
    expect(windowsName('10.0.19045')).toBe('Windows 10.0 - Build 19045');
  });

  it.each([
    ['x64', 'LE', 'x86_64'],
    ['ia32', 'LE', 'x86'],
    ['arm64', 'LE', 'arm64'],
    ['arm', 'LE', 'arm'],
    ['ppc64', 'LE', 'ppc64le'],
    ['s390x', 'BE', 's390x'],
  ] as const)('calls %s %s', (arch, order, name) => {
    expect(describeArch(arch, order)).toBe(name);
  });
});
