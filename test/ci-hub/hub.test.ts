import { describe, expect, it } from 'vitest';
import { decide, renderEvents, type SyncFacts } from '../../src/agent/playground/hub/index.ts';
import { FakeClock } from '../server/support/fake-clock.ts';
import { startTestHub, status, type TestHub, type TestHubOptions } from './index.ts';

const ua = 'SemaphoreAgent/v1';
const base = '/api/v1/self_hosted_agents';
const registration = {
  name: 'builder-1',
  version: 'v1',
  pid: 1,
  os: '',
  arch: 'x86_64',
  hostname: '',
  single_job: false,
  idle_timeout: 0,
  interruption_grace_period: 0,
  job_id: '',
};
const waiting = { state: 'waiting-for-jobs', job_id: '', job_result: '', interrupted_at: 0 };
const line = (n: number | string): string => `{"event":"cmd_output","timestamp":1,"output":"${n}"}\n`;

interface Answer {
  status: number;
  text: string;
  json: Record<string, unknown>;
}

/** One request as an agent sends it, or as `headers` spoil it. */
async function ask(
  hub: TestHub,
  method: string,
  path: string,
  more: { token?: string; body?: string; headers?: object } = {},
) {
  const { token = '', body, headers = {} } = more;
  const scheme = path.includes('/logs/') ? 'Bearer' : 'Token';
  const response = await fetch(hub.url + path, {
    method,
    headers: {
      authorization: `${scheme} ${token}`,
      'user-agent': ua,
      ...(scheme === 'Bearer' ? { 'content-type': 'text/plain' } : {}),
      ...headers,
    },
    // As bytes, or fetch would say what they are.
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
  });
  const text = await response.text();
  const json = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, text, json } satisfies Answer;
}

async function register(hub: TestHub, changes: object = {}): Promise<Answer> {
  return await ask(hub, 'POST', `${base}/register`, {
    token: hub.token,
    body: JSON.stringify({ ...registration, ...changes }),
  });
}

/** An agent without manners of its own. */
async function puppet(options: TestHubOptions = {}, changes: object = {}) {
  const clock = new FakeClock();
  const hub = await startTestHub({ clock, ...options });
  const token = String((await register(hub, changes)).json['token']);
  const sync = (report: object) =>
    ask(hub, 'POST', `${base}/sync`, { token, body: JSON.stringify({ ...waiting, ...report }) });
  const later = async (report: object): Promise<Answer> => {
    await clock.advance(12_000);
    return await sync(report);
  };
  /** Takes a job up to its request; gives the token of its log. */
  const takeJob = async (id = 'J'): Promise<string> => {
    hub.enqueue({ job_id: id });
    await later({});
    const { logger } = (await ask(hub, 'GET', `${base}/jobs/${id}`, { token })).json as { logger: { token: string } };
    return logger.token;
  };
  const push = (bearer: string, from: number | string, body: string, id = 'J') =>
    ask(hub, 'POST', `/api/v1/logs/${id}?start_from=${from}`, { token: bearer, body });
  return { hub, clock, token, sync, later, takeJob, push };
}

function texts(hub: TestHub): string[] {
  return hub.violations().map(({ text }) => text);
}

describe('what the hub decides (spec CI 2.11)', () => {
  const facts: SyncFacts = {
    state: 'waiting-for-jobs',
    disabled: false,
    interruptedForMs: undefined,
    gracePeriodMs: 10_000,
    singleJob: false,
    idleForMs: 0,
    idleTimeoutMs: 0,
    stopRequested: false,
    assign: () => undefined,
  };
  const job = { assign: () => 'J' };
  const shutdown = (reason: string) => ({ action: 'shutdown', reason });

  it.each<[string, Partial<SyncFacts>, object]>([
    ['nothing to do', {}, { action: 'continue' }],
    ['a job', job, { action: 'run-job', jobId: 'J' }],
    ['disabled, before all else', { ...job, disabled: true, interruptedForMs: 1 }, shutdown('requested')],
    ['interrupted, before a job', { ...job, interruptedForMs: 0 }, shutdown('interrupted')],
    ['a job before idleness', { ...job, idleForMs: 2, idleTimeoutMs: 1 }, { action: 'run-job', jobId: 'J' }],
    ['idle for too long', { idleForMs: 2, idleTimeoutMs: 1 }, shutdown('idle')],
    ['idle without a limit', { idleForMs: 2 }, { action: 'continue' }],
  ])('waiting: %s', (_, changes, decision) => {
    expect(decide({ ...facts, ...changes })).toEqual(decision);
  });

  it.each<[string, Partial<SyncFacts>, string]>([
    ['nothing to do', {}, 'continue'],
    ['a stop', { stopRequested: true }, 'stop-job'],
    ['disabled', { disabled: true }, 'stop-job'],
    ['interrupted, within the grace', { interruptedForMs: 9999 }, 'continue'],
    ['interrupted, after the grace', { interruptedForMs: 10_000 }, 'stop-job'],
    ['interrupted without grace', { interruptedForMs: 0, gracePeriodMs: 0 }, 'stop-job'],
  ])('running: %s', (_, changes, action) => {
    expect(decide({ ...facts, state: 'running-job', ...changes })).toEqual({ action });
    for (const state of ['starting-job', 'stopping-job'] as const) {
      expect(decide({ ...facts, state, ...changes })).toEqual({ action: 'continue' });
    }
  });

  it.each<[string, Partial<SyncFacts>, object]>([
    ['nothing to do', {}, { action: 'wait-for-jobs' }],
    ['disabled', { disabled: true, singleJob: true }, shutdown('requested')],
    ['single job, before the interruption', { singleJob: true, interruptedForMs: 1 }, shutdown('job-finished')],
    ['interrupted', { interruptedForMs: 1 }, shutdown('interrupted')],
  ])('finished: %s', (_, changes, decision) => {
    expect(decide({ ...facts, state: 'finished-job', ...changes })).toEqual(decision);
  });
});

describe('registration and tokens', () => {
  it('gives a token of 80 hex digits with 201, and keeps only its hash', async () => {
    const { hub, token } = await puppet();
    expect(token).toMatch(/^[0-9a-f]{80}$/);
    expect(JSON.stringify([hub.state, ...hub.exchanges()])).not.toContain(token);
    expect(hub.agents()[0]?.tokenHash).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each([
    [{ job_id: 'J' }, 400, 'a job can only be asked for by an agent for a single job'],
    [{ job_id: 'none', single_job: true }, 400, 'the job is not available'],
    [{ name: 'with blank' }, 400, 'the name is not valid'],
    [{ name: 'n'.repeat(81) }, 400, 'the name is not valid'],
  ])('refuses %j', async (changes, code, text) => {
    const hub = await startTestHub();
    expect(await register(hub, changes)).toMatchObject({ status: code, text });
  });

  it('refuses a name in use, but takes one again that never synced', async () => {
    const { hub, sync } = await puppet();
    expect((await register(hub)).status).toBe(201);
    expect((await sync({})).status).toBe(404);
    const token = String((await register(hub)).json['token']);
    await ask(hub, 'POST', `${base}/sync`, { token, body: JSON.stringify(waiting) });
    expect(await register(hub)).toMatchObject({ status: 400, text: 'the name is in use' });
  });

  it('answers 401 without a header, 404 to an unknown token, 422 to no JSON', async () => {
    const hub = await startTestHub({ mayViolate: true });
    const path = `${base}/register`;
    expect((await ask(hub, 'POST', path, { body: '{}', headers: { authorization: '' } })).status).toBe(401);
    expect((await ask(hub, 'POST', path, { token: 'wrong', body: JSON.stringify(registration) })).status).toBe(404);
    expect((await ask(hub, 'POST', path, { token: hub.token, body: '{' })).status).toBe(422);
    for (const [method, rest] of [
      ['POST', 'sync'],
      ['GET', 'jobs/J'],
      ['POST', 'refresh'],
      ['POST', 'disconnect'],
    ] as const) {
      expect((await ask(hub, method, `${base}/${rest}`, { token: 'wrong' })).status).toBe(404);
      expect((await ask(hub, method, `${base}/${rest}`, { headers: { authorization: 'Basic x' } })).status).toBe(401);
    }
  });

  it.each([
    ['idle', 3 * 60_000],
    ['running', 15 * 60_000],
    ['never synced', 60_000],
  ])('deletes an agent that is silent for too long: %s', async (kind, limitMs) => {
    const { hub, clock, sync, takeJob } = await puppet({ forgetSilent: true });
    if (kind !== 'never synced') await sync({});
    if (kind === 'running') await takeJob();
    const fleet = () => ask(hub, 'GET', `${base}/metrics`, { token: hub.token });
    await clock.advance(limitMs - 1000);
    await fleet();
    expect(hub.agents()).toHaveLength(1);
    await clock.advance(2000);
    await fleet();
    expect(hub.agents()).toEqual([]);
    if (kind === 'running') expect(hub.job('J')).toMatchObject({ state: 'finished', result: 'failed' });
    expect((await sync({})).status).toBe(404);
  });
});

describe('what the hub holds against an agent', () => {
  it.each([
    ['User-Agent must be SemaphoreAgent/<version>', { 'user-agent': 'curl' }],
    ['Authorization must be "Token <token>"', { authorization: 'Bearer x' }],
    ['Content-Type must be absent', { 'content-type': 'application/json' }],
  ])('%s', async (text, headers) => {
    const hub = await startTestHub({ mayViolate: true });
    await ask(hub, 'POST', `${base}/register`, { token: hub.token, body: JSON.stringify(registration), headers });
    expect(texts(hub).join('\n')).toContain(text);
  });

  it.each([
    ['the keys are', { extra: 1 }],
    ['pid must be a number', { pid: '1' }],
    ['idle_timeout must be an integer', { idle_timeout: -1 }],
    ['arch must not be x64', { arch: 'x64' }],
    ['User-Agent and version must agree', { version: 'v2' }],
  ])('registration: %s', async (text, changes) => {
    const hub = await startTestHub({ mayViolate: true });
    await register(hub, changes);
    expect(texts(hub).join('\n')).toContain(text);
  });

  it('keys in another order, or missing', async () => {
    const hub = await startTestHub({ mayViolate: true });
    const { name, ...rest } = registration;
    await ask(hub, 'POST', `${base}/register`, { token: hub.token, body: JSON.stringify({ ...rest, name }) });
    await ask(hub, 'POST', `${base}/register`, { token: hub.token, body: JSON.stringify(rest) });
    expect(texts(hub).filter((text) => text.startsWith('the keys are'))).toHaveLength(2);
  });

  it.each([
    ['there is no state dancing', { state: 'dancing', job_id: 'J' }],
    ['waiting-for-jobs with job_id "J"', { job_id: 'J' }],
    ['running-job with job_id ""', { state: 'running-job' }],
    ['running-job of a job that it was not given', { state: 'running-job', job_id: 'X' }],
    ['waiting-for-jobs with job_result "passed"', { job_result: 'passed' }],
    ['finished-job with job_result ""', { state: 'finished-job', job_id: 'J' }],
    ['interrupted_at must be an integer', { interrupted_at: 1.5 }],
    ['the keys are', { more: 1 }],
  ])('sync: %s', async (text, report) => {
    const { hub, sync } = await puppet({ mayViolate: true });
    await sync(report);
    expect(texts(hub).join('\n')).toContain(text);
  });

  it.each<[string, object[]]>([
    ['waiting after run-job', [{}]],
    ['starting-job after running-job', [{ state: 'running-job' }, { state: 'starting-job' }]],
    ['stopping-job without an order', [{ state: 'stopping-job' }]],
    ['running-job after wait-for-jobs', [{ state: 'finished-job', job_result: 'passed' }, { state: 'running-job' }]],
    [
      'finished-job after wait-for-jobs',
      [
        { state: 'finished-job', job_result: 'passed' },
        { state: 'finished-job', job_result: 'passed' },
      ],
    ],
    [
      'interrupted_at has changed',
      [
        { state: 'running-job', interrupted_at: 5 },
        { state: 'running-job', interrupted_at: 6 },
      ],
    ],
  ])('the order of syncs: %s', async (text, reports) => {
    const { hub, later, takeJob } = await puppet({ mayViolate: true });
    await takeJob();
    for (const report of reports) await later({ job_id: 'state' in report ? 'J' : '', ...report });
    expect(texts(hub)).toContain(text);
  });

  it('a sync too early, but for the end of a job and an interruption', async () => {
    const { hub, sync, takeJob, later } = await puppet({ mayViolate: true, nextSyncAfterMs: [5000, 5000] });
    await takeJob();
    await later({ state: 'running-job', job_id: 'J' });
    await sync({ state: 'running-job', job_id: 'J', interrupted_at: 17 });
    await sync({ state: 'finished-job', job_id: 'J', job_result: 'stopped', interrupted_at: 17 });
    expect(texts(hub)).toEqual([]);
    const other = await puppet({ mayViolate: true, nextSyncAfterMs: [5000, 5000] });
    await other.sync({});
    await other.clock.advance(4000);
    await other.sync({});
    expect(texts(other.hub)).toEqual(['it came 1000 ms too early']);
  });

  it('a sync after the order to shut down, or beside another one', async () => {
    const { hub, later, sync } = await puppet({ mayViolate: true });
    hub.disable('builder-1');
    await later({});
    await later({});
    expect(texts(hub)).toEqual(['a sync after the order to shut down']);
    const other = await puppet({ mayViolate: true });
    other.hub.fault({ path: /sync/ }, async (_incoming, handle) => {
      await other.sync({});
      return await handle();
    });
    await other.sync({});
    expect(texts(other.hub)).toContain('a sync while another one is under way');
    expect((await sync({})).status).toBe(200);
  });

  it('an answer that was lost changes nothing for the next one', async () => {
    const { hub, later, sync } = await puppet({ nextSyncAfterMs: [5000, 5000] });
    hub.enqueue({ job_id: 'J' });
    hub.fault({ path: /sync/ }, async (_incoming, handle) => {
      await handle();
      return { status: 500, body: '' };
    });
    await sync({});
    // The job was given to the agent, which does not know.
    expect((await sync({})).json).toMatchObject({ action: 'run-job', job_id: 'J' });
    expect((await later({ state: 'running-job', job_id: 'J' })).json).toMatchObject({
      action: 'continue',
      next_sync_after: 10_000,
    });
  });

  it('an endpoint that there is not, a body where none belongs, the job of another', async () => {
    const { hub, token } = await puppet({ mayViolate: true });
    await ask(hub, 'POST', `${base}/job/payload/J`, { token });
    await ask(hub, 'GET', `${base}/jobs/other`, { token });
    await ask(hub, 'POST', `${base}/refresh`, { token, body: '{}' });
    expect(texts(hub)).toEqual([
      'there is no such endpoint',
      "the job other is not this agent's",
      'the body must be empty',
    ]);
  });
});

describe('the log of a job (spec CI 7.4)', () => {
  it('is continued at start_from; what was not acknowledged may come again, with more', async () => {
    const { hub, takeJob, push } = await puppet();
    const bearer = await takeJob();
    expect((await push(bearer, 0, line(1) + line(2))).status).toBe(200);
    hub.fault({ path: /logs/ }, async (_incoming, handle) => {
      await handle();
      return { status: 502, body: '' };
    });
    await push(bearer, 2, line(3));
    expect(hub.job('J')).toMatchObject({ acknowledged: 2 });
    expect((await push(bearer, 2, line(3) + line(4))).status).toBe(200);
    expect(renderEvents(hub.job('J').lines)).toEqual(['1234']);
    expect(hub.job('J')).toMatchObject({ acknowledged: 4 });
  });

  it.each<[string, number | string, string, number]>([
    ['start_from 3 leaves a gap: the log has 2 lines', 3, line(3), 200],
    ['start_from 1 sends lines again: 2 were acknowledged', 1, line(2), 200],
    ['start_from is missing or no number', 'x', line(3), 400],
    ['start_from is missing or no number', '-1', line(3), 400],
    ['a request without lines', 2, '', 200],
    ['the last line has no newline', 2, line(3).trimEnd(), 200],
    ['line 0 of the body is no event', 2, 'hello\n', 200],
    ['2001 lines in one request', 2, line(3).repeat(2001), 413],
  ])('%s', async (text, from, body, code) => {
    const { hub, takeJob, push } = await puppet({ mayViolate: true });
    const bearer = await takeJob();
    await push(bearer, 0, line(1) + line(2));
    expect((await push(bearer, from, body)).status).toBe(code);
    expect(texts(hub)).toContain(text);
  });

  it('lines that come again with another content', async () => {
    const { hub, takeJob, push } = await puppet({ mayViolate: true });
    const bearer = await takeJob();
    hub.fault({ path: /logs/ }, async (_incoming, handle) => {
      await handle();
      return { status: 502, body: '' };
    });
    await push(bearer, 0, line(1) + line(2));
    await push(bearer, 0, line(1) + line('other'));
    expect(texts(hub)).toEqual(['line 1 was sent again with another content']);
  });

  it('has headers of its own', async () => {
    const { hub, takeJob } = await puppet({ mayViolate: true });
    const bearer = await takeJob();
    const headers = { 'content-type': 'application/json', authorization: `Token ${bearer}` };
    await ask(hub, 'POST', '/api/v1/logs/J?start_from=0', { body: line(1), headers });
    expect(texts(hub)).toEqual(['Authorization must be "Bearer <token>"', 'Content-Type must be text/plain']);
  });

  it('takes a token for as long as it lives, for one job; a new one can be had while the job runs', async () => {
    const { hub, clock, token, takeJob, push, later } = await puppet({ logTokenLifetimeMs: 60_000 });
    const bearer = await takeJob();
    expect((await push('nonsense', 0, line(1))).status).toBe(401);
    expect((await push(bearer, 0, line(1))).status).toBe(200);
    await clock.advance(61_000);
    expect((await push(bearer, 1, line(2))).status).toBe(401);
    const renewed = String((await ask(hub, 'POST', `${base}/refresh`, { token })).json['token']);
    expect((await push(renewed, 1, line(2))).status).toBe(200);
    hub.enqueue({ job_id: 'K' });
    expect((await push(renewed, 0, line(1), 'K')).status).toBe(401);
    await later({ state: 'finished-job', job_id: 'J', job_result: 'passed' });
    expect((await ask(hub, 'POST', `${base}/refresh`, { token })).status).toBe(422);
  });

  it('is trimmed with 422, says so once, and takes no more', async () => {
    const { hub, takeJob, push } = await puppet({ mayViolate: true, maxLogBytes: 120 });
    const bearer = await takeJob();
    expect((await push(bearer, 0, line(1) + line(2))).status).toBe(200);
    expect((await push(bearer, 2, line(3))).status).toBe(422);
    expect(texts(hub)).toEqual([]);
    expect(hub.job('J').trimmed).toBe(true);
    expect(hub.job('J').lines.at(-1)).toContain('trimmed');
    expect((await push(bearer, 2, line(3))).status).toBe(422);
    expect(texts(hub)).toEqual(['a log that is trimmed gets no more lines']);
    expect(hub.job('J').lines).toHaveLength(3);
  });
});

describe('around the hub', () => {
  it('tells fleets of queue and agents, with the registration token only', async () => {
    const { hub, takeJob, token } = await puppet();
    await takeJob();
    const queued = hub.enqueue({});
    const fleet = (path: string, bearer = hub.token) => ask(hub, 'GET', base + path, { token: bearer });
    expect((await fleet('/jobs')).json).toEqual({ jobs: [{ id: queued }] });
    expect((await fleet('/metrics')).json).toEqual({
      jobs: { queued: 1, running: 1 },
      agents: { idle: 1, occupied: 0 },
    });
    expect((await fleet('/jobs', token)).status).toBe(404);
  });

  it('gives a job its logger, unless it has its own, and stops one that nobody has', async () => {
    const { hub, token, later } = await puppet();
    const own = hub.enqueue({ logger: { method: 'carrier-pigeon' }, commands: [] });
    const never = hub.enqueue({});
    await later({});
    const { json } = await ask(hub, 'GET', `${base}/jobs/${own}`, { token });
    expect(json).toEqual({ job_id: own, logger: { method: 'carrier-pigeon' }, commands: [] });
    hub.stopJob(never);
    expect(hub.job(never)).toMatchObject({ state: 'finished', result: 'stopped' });
    expect(() => hub.job('none')).toThrow('the hub has no job none');
  });

  it('tells what happens', async () => {
    const events: string[] = [];
    const { later, takeJob, push, hub, token } = await puppet({
      onEvent: (event) => events.push(Object.values(event).flat().join(' ')),
    });
    await push(await takeJob(), 0, line('hello'));
    await later({ state: 'finished-job', job_id: 'J', job_result: 'passed' });
    hub.disable('builder-1');
    await later({});
    await ask(hub, 'POST', `${base}/disconnect`, { token });
    expect(events).toEqual([
      'registered builder-1',
      'state builder-1  waiting-for-jobs',
      'assigned builder-1 J',
      `log J ${line('hello').trimEnd()}`,
      'state builder-1 J finished-job',
      'finished builder-1 J passed',
      'state builder-1  waiting-for-jobs',
      'shutdown builder-1 requested',
      'gone builder-1 disconnected',
    ]);
  });

  it('shows a log in the short form of the reference’s tests', () => {
    const events = [
      '{"event":"job_started","timestamp":1}',
      '{"event":"cmd_started","timestamp":1,"directive":"ls"}',
      '{"event":"cmd_output","timestamp":1,"output":"a"}',
      '{"event":"cmd_output","timestamp":1,"output":"b\\n"}',
      '{"event":"cmd_finished","timestamp":1,"directive":"ls","exit_code":2,"started_at":1,"finished_at":1}',
      '{"event":"job_finished","timestamp":1,"result":"failed"}',
    ];
    const ends = ['Exit Code: 2', 'job_finished: failed'];
    expect(renderEvents(events)).toEqual(['job_started', 'directive: ls', 'ab\n', ...ends]);
    expect(renderEvents(events, 'each')).toEqual(['job_started', 'directive: ls', 'a', 'b\n', ...ends]);
    expect(renderEvents(events, 'none')).toEqual(['job_started', 'directive: ls', ...ends]);
  });

  it('meets faults in order, each as often as ordered', async () => {
    const { hub, sync } = await puppet();
    const first = hub.fault({ path: /sync/, times: 2 }, status(500));
    const second = hub.fault({ path: /sync/ }, status(418));
    const codes = [await sync({}), await sync({}), await sync({}), await sync({})].map((answer) => answer.status);
    expect(codes).toEqual([500, 500, 418, 200]);
    expect([first.hits, second.hits]).toEqual([2, 1]);
  });
});
