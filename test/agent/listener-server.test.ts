import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/lib/index.ts';
import {
  drop,
  FastClock,
  half,
  heldJob,
  html,
  late,
  startLenientHub,
  startTestAgent,
  startTestHub,
  status,
  until,
} from '../ci-hub/index.ts';

const quick = { clock: new FastClock(50), intervalSlackMs: 3000 };

/** Keeps what was waited for, in virtual milliseconds. */
function recordingClock(factor = 50, random?: number): { clock: Clock; slept: number[] } {
  const fast = new FastClock(factor);
  const slept: number[] = [];
  const clock: Clock = {
    now: () => fast.now(),
    random: () => random ?? fast.random(),
    sleep: (ms, signal) => {
      slept.push(ms);
      return fast.sleep(ms, signal);
    },
  };
  return { clock, slept };
}

describe('the registration (spec CI 2.2)', () => {
  it('is tried again on whatever goes wrong, 1 s apart, and quotes why', async () => {
    const { clock, slept } = recordingClock();
    const hub = await startTestHub({ ...quick, clock });
    const faults = [
      status(401),
      status(404, 'no such type'),
      status(422, 'quota reached'),
      half(),
      html(200, 'x'),
      drop(),
    ];
    for (const fault of faults) hub.fault({ path: /register/ }, fault);
    const agent = await startTestAgent({ hub, clock });
    await until(() => hub.agents().length === 1 && hub.agents()[0]?.syncs !== 0, 'the agent is there');
    expect(slept.slice(0, faults.length)).toEqual(faults.map(() => 1000));
    expect(agent.log.join('\n')).toContain('quota reached');
    expect(agent.log.join('\n')).toContain('Check token and endpoint');
  });

  it('is given up after 30 attempts, with exit code 1', async () => {
    const { clock, slept } = recordingClock();
    const hub = await startTestHub({ ...quick, clock });
    const refused = hub.fault({ path: /register/, times: 100 }, status(400, 'name in use'));
    const agent = await startTestAgent({ hub, clock });
    expect(await agent.exitCode).toBe(1);
    expect([refused.hits, slept.length]).toEqual([30, 29]);
    expect(agent.log.at(-1)).toContain('Could not start agent: failed to register agent');
    expect(agent.log.at(-1)).toContain('name in use');
  });

  it('is given up without a server, too', async () => {
    const { clock } = recordingClock(200);
    const agent = await startTestAgent({ hub: { endpoint: '127.0.0.1:1', token: 't' }, clock });
    expect(await agent.exitCode).toBe(1);
  });

  it('takes the name that the server gives', async () => {
    const hub = await startTestHub(quick);
    hub.fault({ path: /register/ }, async (_incoming, handle) => {
      const reply = await handle();
      return { ...reply, body: (reply.body ?? '').replace('builder-eu-07', 'renamed') };
    });
    const agent = await startTestAgent({ hub, clock: quick.clock });
    await until(() => agent.log.some((line) => line === 'Registered {"name":"renamed"}'), 'the name');
  });

  it('that a signal interrupts ends the agent with 0, once no request is under way', async () => {
    const hub = await startTestHub(quick);
    hub.fault({ path: /register/, times: 5 }, status(503));
    const agent = await startTestAgent({ hub, clock: new FastClock(1) });
    await until(() => agent.log.length > 1, 'an attempt');
    agent.interrupt();
    expect(await agent.exitCode).toBe(0);
    expect(hub.agents()).toEqual([]);
  });

  it('that succeeds after the signal is taken back in order', async () => {
    const hub = await startTestHub(quick);
    const slow = hub.fault({ path: /register/ }, late(300));
    const agent = await startTestAgent({ hub, clock: quick.clock });
    await until(() => slow.hits === 1, 'the request');
    agent.interrupt();
    expect(await agent.exitCode).toBe(0);
    expect(agent.log.at(-1)).toBe('Agent shutting down due to: INTERRUPTED');
    expect(hub.agents()).toEqual([]);
  });
});

describe('intervals (spec CI 2.8)', () => {
  it('are those that the server gives', async () => {
    const { clock, slept } = recordingClock();
    const hub = await startTestHub({ ...quick, clock, nextSyncAfterMs: [4321, 4321] });
    await startTestAgent({ hub, clock });
    await until(() => slept.length >= 3, 'some syncs');
    expect(slept.slice(0, 3)).toEqual([4321, 4321, 4321]);
  });

  it.each([
    [0, 3000],
    [0.5, 4500],
    [0.999_999, 5999],
  ])('are random in [3 s, 6 s) when it gives none: %f gives %i ms', async (random, ms) => {
    const { clock, slept } = recordingClock(50, random);
    const hub = await startTestHub({ ...quick, clock, nextSyncAfterMs: undefined });
    const zero = hub.fault({ path: /sync/ }, status(200, '{"action":"continue","next_sync_after":0}'));
    const negative = hub.fault({ path: /sync/ }, status(200, '{"action":"continue","next_sync_after":-5}'));
    await startTestAgent({ hub, clock });
    await until(() => slept.length >= 4, 'some syncs');
    expect(slept.slice(0, 4)).toEqual([ms, ms, ms, ms]);
    expect([zero.hits, negative.hits]).toEqual([1, 1]);
  });

  it('are random after a failure, whatever the server gave before', async () => {
    const { clock, slept } = recordingClock(50, 0.5);
    const hub = await startTestHub({ ...quick, clock, nextSyncAfterMs: [1000, 1000] });
    await startTestAgent({ hub, clock });
    await until(() => slept.length >= 2, 'some syncs');
    const before = slept.length;
    const fault = hub.fault({ path: /sync/ }, status(500));
    await until(() => fault.hits === 1 && slept.length > before + 2, 'the failure');
    expect(slept.filter((ms) => ms === 4500)).toHaveLength(1);
  });

  it('cannot be so long that the timer fires at once', async () => {
    const { clock, slept } = recordingClock();
    const hub = await startTestHub({ ...quick, clock });
    hub.fault({ path: /sync/ }, status(200, '{"action":"continue","next_sync_after":99999999999}'));
    await startTestAgent({ hub, clock });
    await until(() => slept.length >= 1, 'the sync');
    expect(slept[0]).toBe(3_600_000);
  });

  it('never overlap: a signal waits for the sync under way, and then nothing is waited for', async () => {
    const hub = await startTestHub({ ...quick, nextSyncAfterMs: [5000, 5000] });
    const slow = hub.fault({ path: /sync/ }, late(300));
    const agent = await startTestAgent({ hub, clock: quick.clock });
    await until(() => slow.hits === 1, 'the sync');
    agent.interrupt();
    expect(await agent.exitCode).toBe(0);
    expect(hub.exchanges().filter(({ path }) => path === '/sync')).toHaveLength(2);
  });
});

describe('a server that does not answer as it should', () => {
  it('is waited for: an outage of minutes ends no agent and loses no job', async () => {
    const { clock } = quick;
    const hub = await startTestHub(quick);
    const job = heldJob();
    const agent = await startTestAgent({ hub, clock, startJob: job.startJob });
    hub.enqueue({ job_id: 'J' });
    await until(() => job.started.length === 1, 'the job');
    const away = hub.fault({ path: /sync/, times: 30 }, status(502));
    await until(() => away.hits === 30, 'the outage');
    job.end('passed');
    await until(() => hub.job('J').result === 'passed', 'the result');
    expect(agent.code()).toBeUndefined();
    expect(job.stopped).toBe(0);
  });

  it('for more than 10 minutes is given up: job stopped, exit code 1', async () => {
    const clock = new FastClock(1000);
    const hub = await startTestHub({ clock, intervalSlackMs: 20_000 });
    const job = heldJob();
    const agent = await startTestAgent({ hub, clock, startJob: job.startJob });
    hub.enqueue({ job_id: 'J' });
    await until(() => job.started.length === 1, 'the job');
    const began = clock.now();
    hub.fault({ times: 1_000_000 }, status(500));
    expect(await agent.exitCode).toBe(1);
    expect(clock.now() - began).toBeGreaterThan(600_000);
    expect(job.stopped).toBe(1);
    expect(agent.log.at(-1)).toBe('Agent shutting down due to: UNABLE_TO_SYNC');
    expect(agent.log.join('\n')).toContain('could not be reached for 10 minutes');
  });

  it('leaves a log that cannot be delivered then to the next agent', async () => {
    const clock = new FastClock(1000);
    const hub = await startTestHub({ clock, intervalSlackMs: 20_000 });
    const job = heldJob({ delivers: false });
    const agent = await startTestAgent({ hub, clock, startJob: job.startJob });
    hub.enqueue({ job_id: 'J' });
    await until(() => job.started.length === 1, 'the job');
    hub.fault({ times: 1_000_000 }, drop());
    expect(await agent.exitCode).toBe(1);
    expect([job.stopped, job.abandoned]).toEqual([1, 1]);
    expect(agent.log.join('\n')).toContain('the next agent');
  });

  it('has an own interval after each failure, and no more than one request at a time', async () => {
    const { clock, slept } = recordingClock(100, 0);
    const hub = await startTestHub({ ...quick, clock });
    const fault = hub.fault({ path: /sync/, times: 20 }, drop());
    await startTestAgent({ hub, clock });
    await until(() => fault.hits === 20, 'the failures');
    expect(slept.slice(0, 19)).toEqual(Array.from({ length: 19 }, () => 3000));
  });
});

describe('a server that has forgotten the agent (10.1.17)', () => {
  it.each([401, 404])('says so with %i: the agent tells its owner, and ends with 1 within a minute', async (code) => {
    const { clock, slept } = recordingClock();
    const hub = await startTestHub({ ...quick, clock });
    const agent = await startTestAgent({ hub, clock });
    await until(() => hub.agents()[0]?.syncs === 2, 'some syncs');
    hub.forget('builder-eu-07');
    if (code === 401) hub.fault({ path: /sync|disconnect/, times: 100 }, status(401));
    const began = slept.length;
    expect(await agent.exitCode).toBe(1);
    expect(slept.slice(began).reduce((sum, ms) => sum + ms, 0)).toBeLessThan(60_000);
    const log = agent.log.join('\n');
    expect(log).toContain('the server does not know this agent');
    expect(log).toContain('The server does not know this agent any more');
    expect(log).toContain('The server has no such agent to disconnect');
    expect(agent.log.at(-1)).toBe('Agent shutting down due to: UNABLE_TO_SYNC');
  });

  it('lets a running job end first', async () => {
    const hub = await startTestHub(quick);
    const job = heldJob();
    const agent = await startTestAgent({ hub, clock: quick.clock, startJob: job.startJob });
    hub.enqueue({ job_id: 'J' });
    await until(() => hub.agents()[0]?.state === 'running-job', 'the job');
    hub.forget('builder-eu-07');
    await until(() => agent.log.some((line) => line.includes('the job goes on to its end')), 'the agent knows');
    const refused = hub.exchanges().filter(({ status: code }) => code === 404).length;
    await until(() => hub.exchanges().filter(({ status: code }) => code === 404).length > refused + 3, 'more syncs');
    expect([agent.code(), job.stopped]).toEqual([undefined, 0]);
    job.end('passed');
    expect(await agent.exitCode).toBe(1);
    expect(job.stopped).toBe(0);
  });

  it('is believed when it says so again and again: a few refusals come from a server that is replaced', async () => {
    const hub = await startTestHub(quick);
    const agent = await startTestAgent({ hub, clock: quick.clock });
    const refused = hub.fault({ path: /sync/, times: 4 }, status(404, 'default backend - 404'));
    await until(() => refused.hits === 4, 'the refusals');
    hub.enqueue({ job_id: 'J' });
    await until(() => hub.job('J').result === 'passed', 'a job');
    expect(agent.code()).toBeUndefined();
  });
});

describe('a hub that is started again', () => {
  it('finds its agent and the job that ran meanwhile', async () => {
    const hub = await startTestHub(quick);
    const job = heldJob();
    const agent = await startTestAgent({ hub, clock: quick.clock, startJob: job.startJob });
    hub.enqueue({ job_id: 'J' });
    await until(() => hub.agents()[0]?.state === 'running-job', 'the job');
    const again = await hub.restart();
    job.end('failed');
    await until(() => again.job('J').result === 'failed', 'the result');
    again.enqueue({ job_id: 'K' });
    await until(() => job.started.length === 2, 'the next job');
    job.end('passed');
    await until(() => again.job('K').result === 'passed', 'its result');
    expect(agent.code()).toBeUndefined();
  });

  it('without its memory has forgotten the agent; another one can register under the name', async () => {
    const hub = await startTestHub(quick);
    const agent = await startTestAgent({ hub, clock: quick.clock });
    await until(() => hub.agents()[0]?.syncs === 1, 'the agent');
    const again = await hub.restart({ keepState: false });
    expect(await agent.exitCode).toBe(1);
    const next = await startTestAgent({ hub: again, clock: quick.clock });
    again.enqueue({ job_id: 'J' });
    await until(() => again.job('J').result === 'passed', 'a job');
    expect(next.code()).toBeUndefined();
  });
});

describe('two agents on one hub', () => {
  it('share the queue, and each job runs once', async () => {
    const hub = await startTestHub(quick);
    const ran: string[] = [];
    const startJob = async ({ jobId }: { jobId: string }) => {
      ran.push(jobId);
      await quick.clock.sleep(2000);
      return 'passed' as const;
    };
    for (const name of ['agent-one', 'agent-two']) {
      await startTestAgent({ hub, clock: quick.clock, registration: { name }, startJob });
    }
    await until(() => hub.agents().every(({ syncs }) => syncs > 0) && hub.agents().length === 2, 'both agents');
    const ids = Array.from({ length: 6 }, () => hub.enqueue({}));
    await until(() => hub.jobs().every(({ state }) => state === 'finished'), 'all jobs');
    expect(ran.toSorted()).toEqual(ids.toSorted());
    expect(new Set(hub.jobs().map(({ agent }) => agent))).toEqual(new Set(['agent-one', 'agent-two']));
    expect(hub.jobs().every(({ result }) => result === 'passed')).toBe(true);
  });
});

describe('the hub of the original’s end-to-end tests', () => {
  it('gives neither name nor token, and is content', async () => {
    const hub = await startLenientHub();
    const agent = await startTestAgent({ hub, clock: quick.clock });
    hub.schedule({ job_id: 'J', commands: [] });
    await until(() => hub.finished.length === 1, 'the job');
    expect(hub.finished).toEqual([{ id: 'J', result: 'passed' }]);
    hub.shutDown();
    expect(await agent.exitCode).toBe(0);
    expect(agent.log.at(-1)).toBe('Agent shutting down due to: UNKNOWN');
    expect(hub.requests.at(-1)).toBe('POST /disconnect');
    expect(hub.authorization()).toBe('Token');
  });
});
