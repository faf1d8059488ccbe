import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pushLog } from '../../src/protocol/ci/index.ts';
import {
  drop,
  FastClock,
  half,
  heldJob,
  html,
  late,
  startTestAgent,
  startTestHub,
  status,
  type TestHub,
  until,
} from '../ci-hub/index.ts';
import { FakeClock } from '../server/support/fake-clock.ts';
import { tempDir } from '../support/temp-dir.ts';

const id = '0c6f2f1e-9d0a-4b53-8d77-5c1f6f0b7f10';
const idle = { nextSyncAfterMs: undefined };

/** A job under this control is not stopped. */
const never = { stop: new AbortController().signal, abandon: new AbortController().signal };

/** `sync waiting-for-jobs → continue`, and so on, in order. */
function conversation(hub: TestHub): string[] {
  return hub.exchanges().map(({ method, path, query, body, status: code, answer }) => {
    const asked = `${method} ${path}${query === '' ? '' : `?${query}`}`;
    if (path === '/register') return `${asked} → ${code}`;
    if (path.startsWith('/jobs/')) return `${asked} → ${code}`;
    return `${asked}${body === '' ? '' : ` ${body}`} → ${code} ${answer}`.trimEnd();
  });
}

function syncBody(state: string, jobId = '', result = '', at = 0): string {
  return `{"state":"${state}","job_id":"${jobId}","job_result":"${result}","interrupted_at":${at}}`;
}

/** The sync reports of an agent, in order, each state once. */
function states(hub: TestHub): string[] {
  const seen = hub
    .exchanges()
    .filter(({ path }) => path === '/sync')
    .map(({ body }) => (JSON.parse(body) as { state: string }).state);
  return seen.filter((state, index) => state !== seen[index - 1]);
}

describe('the talk with a server', () => {
  it('is the transcript of spec CI 2.12, word for word', async () => {
    const clock = new FakeClock();
    const hub = await startTestHub({ clock, ...idle });
    const reasonFile = join(tempDir(), 'reason');
    const hook = join(tempDir(), 'hook.sh');
    writeFileSync(hook, `printf %s "$SEMAPHORE_AGENT_SHUTDOWN_REASON" > '${reasonFile}'`);
    const line = (n: number): string => `{"event":"cmd_output","timestamp":1,"output":"${n}"}\n`;
    const job = heldJob();
    const agent = await startTestAgent({
      hub,
      clock,
      registration: { idleTimeout: 1 },
      shutdownHook: { path: hook, env: process.env, cwd: tempDir() },
      // It says itself when it has ended: the test plays the log in between.
      startJob: (request) => job.startJob(request, never),
    });
    const push = async (startFrom: number, body: string): Promise<void> => {
      const { url, token } = job.started[0]?.logger ?? { url: '', token: '' };
      const send = (bearer: string) =>
        pushLog(agent.transport, { url, token: bearer, startFrom, body, userAgent: 'SemaphoreAgent/v9.9.9' });
      await send(token).catch(async () => await send(await agent.api.refresh()));
    };
    const syncs = (): number =>
      hub.exchanges().filter(({ path, status: code }) => path === '/sync' && code !== 0).length;
    const nextSync = async (): Promise<void> => {
      const before = syncs();
      for (let tries = 0; syncs() === before; tries += 1) {
        if (tries > 1000) throw new Error('no sync');
        await clock.advance(500);
      }
    };

    await until(() => syncs() === 1, 'the first sync');
    hub.enqueue({ job_id: id, commands: [{ directive: 'true' }] });
    await nextSync();
    await until(() => job.started.length === 1, 'the job');
    await push(0, line(1) + line(2));
    await nextSync();
    hub.fault({ path: /logs/, carrying: /"3"/ }, status(401));
    await push(2, line(3));
    hub.stopJob(id);
    await nextSync();
    await nextSync();
    await push(3, line(4));
    job.end('stopped');
    await until(() => syncs() === 6, 'the forced sync');
    await nextSync();
    expect(await agent.exitCode).toBe(0);
    expect(readFileSync(reasonFile, 'utf8')).toBe('IDLE');

    expect(conversation(hub)).toEqual([
      'POST /register → 201',
      `POST /sync ${syncBody('waiting-for-jobs')} → 200 {"action":"continue"}`,
      `POST /sync ${syncBody('waiting-for-jobs')} → 200 {"action":"run-job","job_id":"${id}"}`,
      `GET /jobs/${id} → 200`,
      `POST /logs/${id}?start_from=0 ${line(1)}${line(2)} → 200`,
      `POST /sync ${syncBody('running-job', id)} → 200 {"action":"continue"}`,
      `POST /logs/${id}?start_from=2 ${line(3)} → 401 ordered by a test`,
      'POST /refresh → 200 {"token":"…"}',
      `POST /logs/${id}?start_from=2 ${line(3)} → 200`,
      `POST /sync ${syncBody('running-job', id)} → 200 {"action":"stop-job","job_id":"${id}"}`,
      `POST /sync ${syncBody('stopping-job', id)} → 200 {"action":"continue"}`,
      `POST /logs/${id}?start_from=3 ${line(4)} → 200`,
      `POST /sync ${syncBody('finished-job', id, 'stopped')} → 200 {"action":"wait-for-jobs"}`,
      `POST /sync ${syncBody('waiting-for-jobs')} → 200 {"action":"shutdown","shutdown_reason":"idle"}`,
      'POST /disconnect → 200 disconnected',
    ]);
    expect(agent.log.at(-1)).toBe('Agent shutting down due to: IDLE');
  });
});

describe('a job', () => {
  it('goes through its states, and its end is told at once', async () => {
    const clock = new FastClock(20);
    const hub = await startTestHub({ clock, intervalSlackMs: 1000 });
    const job = heldJob();
    const agent = await startTestAgent({ hub, clock, startJob: job.startJob });
    hub.enqueue({ job_id: id });
    await until(() => hub.agents()[0]?.state === 'running-job', 'the job runs');
    job.end('passed');
    await until(() => hub.job(id).state === 'finished', 'the job has finished');
    expect(hub.job(id).result).toBe('passed');
    await until(() => hub.agents()[0]?.state === 'waiting-for-jobs', 'the agent waits again');
    expect(states(hub).filter((state) => state !== 'starting-job')).toEqual([
      'waiting-for-jobs',
      'running-job',
      'finished-job',
      'waiting-for-jobs',
    ]);
    expect(agent.code()).toBeUndefined();
  });

  it('is stopped when the server says so, and says so while it stops', async () => {
    const clock = new FastClock(20);
    const hub = await startTestHub({ clock, intervalSlackMs: 1000 });
    let stopped = false;
    let release: () => void = () => undefined;
    await startTestAgent({
      hub,
      clock,
      startJob: (_request, { stop }) =>
        new Promise((resolve) => {
          release = () => resolve('stopped');
          stop.addEventListener('abort', () => (stopped = true));
        }),
    });
    hub.enqueue({ job_id: id });
    await until(() => hub.agents()[0]?.state === 'running-job', 'the job runs');
    hub.stopJob(id);
    await until(() => hub.agents()[0]?.state === 'stopping-job', 'the job is stopped');
    expect(stopped).toBe(true);
    release();
    await until(() => hub.job(id).state === 'finished', 'the job has finished');
    expect(hub.job(id).result).toBe('stopped');
  });

  it('keeps its result when it ends while the order to stop it is under way', async () => {
    const clock = new FastClock(20);
    const hub = await startTestHub({ clock, intervalSlackMs: 1000 });
    const job = heldJob();
    await startTestAgent({ hub, clock, startJob: job.startJob });
    hub.enqueue({ job_id: id });
    await until(() => hub.agents()[0]?.state === 'running-job', 'the job runs');
    hub.fault({ path: /sync/, carrying: /running-job/ }, async (incoming, handle, response) => {
      hub.stopJob(id);
      const reply = await late(200)(incoming, handle, response);
      return reply;
    });
    await until(() => hub.job(id).stopRequested, 'the order is on its way');
    job.end('passed');
    await until(() => hub.job(id).state === 'finished', 'the job has finished');
    expect(hub.job(id).result).toBe('passed');
    expect(job.stopped).toBe(0);
  });

  it('that cannot be built has failed, and is told at once; the next one runs', async () => {
    const clock = new FastClock(20);
    const hub = await startTestHub({ clock, intervalSlackMs: 1000 });
    const agent = await startTestAgent({
      hub,
      clock,
      startJob: async ({ executor }) => {
        if (executor !== 'shell') throw new Error(`unknown executor type ${executor}`);
        return 'passed';
      },
    });
    const odd = hub.enqueue({ executor: 'spaceship' });
    const good = hub.enqueue({});
    await until(() => hub.job(good).state === 'finished', 'both jobs have finished');
    expect([hub.job(odd).result, hub.job(good).result]).toEqual(['failed', 'passed']);
    expect(agent.log.join('\n')).toContain('unknown executor type spaceship');
  });

  it('is asked for 10 times, 3 s apart, and has failed then', async () => {
    const clock = new FastClock(50);
    const hub = await startTestHub({ clock, intervalSlackMs: 3000 });
    // Not a connection that is dropped: a GET that finds one dead is sent anew by the transport itself.
    const faults = [status(500), half(), status(404), html(200, 'maintenance'), status(200, '{"job_id":1}')];
    for (const fault of faults) hub.fault({ method: 'GET' }, fault);
    const more = hub.fault({ method: 'GET', times: 100 }, status(500));
    const startJob = heldJob();
    await startTestAgent({ hub, clock, startJob: startJob.startJob });
    hub.enqueue({ job_id: id });
    await until(() => hub.job(id).state === 'finished', 'the job was given up');
    expect(hub.job(id).result).toBe('failed');
    expect(faults.length + more.hits).toBe(10);
    expect(startJob.started).toEqual([]);
    const asked = hub.exchanges().filter(({ method }) => method === 'GET');
    const gaps = asked.slice(1).map(({ atMs }, index) => atMs - (asked[index]?.atMs ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThan(2900);
  });

  it('that is stopped before it was fetched never begins', async () => {
    const clock = new FastClock(50);
    const hub = await startTestHub({ clock, intervalSlackMs: 3000, mayViolate: true });
    hub.fault({ method: 'GET', times: 1000 }, status(503));
    const job = heldJob();
    await startTestAgent({ hub, clock, startJob: job.startJob });
    hub.enqueue({ job_id: id });
    await until(() => hub.agents()[0]?.state === 'starting-job', 'the job is asked for');
    hub.fault({ path: /sync/ }, status(200, `{"action":"stop-job","job_id":"${id}"}`));
    await until(() => hub.job(id).state === 'finished', 'the job has finished');
    expect(hub.job(id).result).toBe('stopped');
    expect(job.started).toEqual([]);
  });

  it('that is there after some attempts runs', async () => {
    const clock = new FastClock(50);
    const hub = await startTestHub({ clock, intervalSlackMs: 3000 });
    hub.fault({ method: 'GET', times: 9 }, status(503));
    await startTestAgent({ hub, clock });
    hub.enqueue({ job_id: id });
    await until(() => hub.job(id).state === 'finished', 'the job has finished');
    expect(hub.job(id).result).toBe('passed');
  });

  it('runs once, although the server orders it again and another one beside it', async () => {
    const clock = new FastClock(50);
    const hub = await startTestHub({ clock, intervalSlackMs: 3000, mayViolate: true });
    const job = heldJob();
    const agent = await startTestAgent({ hub, clock, startJob: job.startJob });
    hub.enqueue({ job_id: id });
    await until(() => job.started.length === 1, 'the job runs');
    const odd = [
      hub.fault({ path: /sync/ }, status(200, `{"action":"run-job","job_id":"${id}"}`)),
      hub.fault({ path: /sync/ }, status(200, '{"action":"run-job","job_id":"another"}')),
      hub.fault({ path: /sync/ }, status(200, '{"action":"stop-job","job_id":"another"}')),
      hub.fault({ path: /sync/ }, status(200, '{"action":"wait-for-jobs"}')),
      hub.fault({ path: /sync/ }, status(200, '{"action":"dance"}')),
    ];
    await until(() => odd.every(({ hits }) => hits === 1), 'the odd orders');
    await until(() => hub.agents()[0]?.state === 'running-job', 'the job still runs');
    job.end('passed');
    await until(() => hub.job(id).state === 'finished', 'the job has finished');
    expect([job.started.length, job.stopped, hub.job(id).result]).toEqual([1, 0, 'passed']);
    expect(agent.log.filter((line) => line.startsWith('An order of the server was ignored'))).toHaveLength(4);
  });

  it('is none: an order to stop one changes nothing', async () => {
    const clock = new FastClock(50);
    const hub = await startTestHub({ clock, intervalSlackMs: 3000 });
    const odd = hub.fault({ path: /sync/, times: 2 }, status(200, '{"action":"stop-job","job_id":"none"}'));
    const agent = await startTestAgent({ hub, clock });
    await until(() => odd.hits === 2, 'the odd orders');
    hub.enqueue({ job_id: id });
    await until(() => hub.job(id).result === 'passed', 'the job has finished');
    expect(agent.code()).toBeUndefined();
  });

  it('is told again until the server has heard its result', async () => {
    const clock = new FastClock(50);
    const hub = await startTestHub({ clock, intervalSlackMs: 3000 });
    const told = [status(500), drop(), half({ stored: true })].map((fault) =>
      hub.fault({ path: /sync/, carrying: /finished-job/ }, fault),
    );
    await startTestAgent({ hub, clock });
    hub.enqueue({ job_id: id });
    await until(() => told.every(({ hits }) => hits === 1), 'the faults');
    await until(() => hub.agents()[0]?.state === 'waiting-for-jobs', 'the agent waits again');
    expect(hub.job(id).result).toBe('passed');
  });
});
