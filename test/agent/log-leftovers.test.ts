import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openRecord } from '../../src/agent/log/delivery-record.ts';
import { deliverLeftovers, type LeftoversOptions } from '../../src/agent/log/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { type JobRequest, readJobRequest } from '../../src/protocol/ci/index.ts';
import { FastClock, memoryLogger, silence, status, until } from '../ci-hub/index.ts';
import { startKilledAgent } from '../support/killed-log/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { assignJob, type AssignedJob, finishedLine, openPushed, outputLine, sealToken } from './log-support.ts';

const logs = { method: 'POST', path: /\/logs\// };
const standIn = join(import.meta.dirname, '../fixtures/bin/artifact-stand-in');
const hour = 60 * 60_000;

let state = '';
beforeEach(() => {
  state = tempDir('agent-state-');
});

function logsLeft(): string[] {
  return existsSync(join(state, 'logs')) ? readdirSync(join(state, 'logs')) : [];
}

function setAside(): string[] {
  return existsSync(join(state, 'undelivered')) ? readdirSync(join(state, 'undelivered')) : [];
}

/** An agent of the job that is killed after it has written these lines, and pushed the first few when `pushed` says so. */
async function killedAfter(
  job: AssignedJob,
  lines: readonly string[],
  more: { pushed?: number; upload?: 'always' | 'when-trimmed'; env?: Record<string, string>; token?: string } = {},
): Promise<void> {
  const { pushed = 0, upload = 'never', env = {}, token = sealToken } = more;
  const held = job.hub.fault({ ...logs, times: pushed === 0 ? 1000 : 0 }, status(503));
  const agent = await startKilledAgent({ request: job.request, state, sealToken: token, upload, env });
  await agent.write(lines.slice(0, pushed));
  if (pushed > 0) await until(() => job.lines().length === pushed, 'the lines of the agent that is killed');
  const off = job.hub.fault({ ...logs, times: 1000 }, status(503));
  await agent.write(lines.slice(pushed));
  await agent.kill();
  held.cancel();
  off.cancel();
}

/** What the next agent does at its start. */
async function next(job: Pick<AssignedJob, 'transport'>, more: Partial<LeftoversOptions> = {}): Promise<string[]> {
  const said: string[] = [];
  await deliverLeftovers({
    state,
    sealToken,
    transport: job.transport,
    env: {},
    signal: new AbortController().signal,
    clock: systemClock,
    logger: { ...memoryLogger(said), debug: () => undefined },
    ...more,
  });
  return said;
}

describe('what an agent that was killed has left of a job log', () => {
  it('is delivered by the next agent of the state directory, from the first line that was not acknowledged', async () => {
    const job = await assignJob();
    const lines = Array.from({ length: 3000 }, (_, index) => outputLine(`${index}`));
    lines.push(finishedLine);
    await killedAfter(job, lines, { pushed: 5 });
    const said = await next(job);
    expect(job.lines()).toEqual(lines);
    // The hub fails the test when a line comes again that was acknowledged.
    expect(job.pushes().filter((push) => push.endsWith('200'))).toEqual([
      'start_from=0 200',
      'start_from=5 200',
      'start_from=2005 200',
    ]);
    expect(said).toEqual([expect.stringMatching(/^A job log that was left behind is delivered .*"lines":"5 to 3000"/)]);
    expect(logsLeft()).toEqual([]);
    expect(setAside()).toEqual([]);
  });

  it('is closed when its job was cut short, without half a line', async () => {
    const job = await assignJob();
    const lines = ['{"event":"job_started","timestamp":1}', outputLine('some'), outputLine('output')];
    await killedAfter(job, lines);
    appendFileSync(join(state, 'logs', logsLeft()[0] ?? '', 'events.jsonl'), '{"event":"cmd_output","timest');
    await next(job);
    expect(job.lines().slice(0, 3)).toEqual(lines);
    expect(
      job
        .lines()
        .slice(3)
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { event: 'cmd_output', timestamp: expect.any(Number), output: expect.stringContaining('The agent ended while') },
      { event: 'job_finished', timestamp: expect.any(Number), result: 'failed' },
    ]);
  });

  it('is not touched while its agent lives', async () => {
    const job = await assignJob();
    const agent = await startKilledAgent({ request: job.request, state, sealToken, upload: 'never', env: {} });
    await agent.write([outputLine('mine')]);
    const { log } = await openPushed({ ...job, request: { ...job.request, jobId: 'another' } }, { state });
    expect(await next(job)).toEqual([]);
    expect(logsLeft()).toHaveLength(2);
    await agent.kill();
    job.hub.fault(logs, status(422));
    await log.close();
  });

  it('has no token on the disk that can be read', async () => {
    const job = await assignJob({}, { env_vars: variables });
    await killedAfter(job, [outputLine('some')], { upload: 'always' });
    const [name = ''] = logsLeft();
    for (const file of readdirSync(join(state, 'logs', name))) {
      const content = readFileSync(join(state, 'logs', name, file), 'latin1');
      expect(content, file).not.toContain(job.request.logger.token);
      expect(content, file).not.toContain('artifact-secret');
    }
  });

  it('is delivered with the last token that its agent had', async () => {
    const job = await assignJob();
    const { log, state: mine } = await openPushed(job, { state, refresh: () => Promise.resolve('renewed') });
    job.hub.fault(logs, status(401));
    log.write(outputLine('first'));
    await until(() => job.pushes().length === 2, 'the push with the new token');
    const [name = ''] = readdirSync(join(mine, 'logs'));
    const sealed = readFileSync(join(mine, 'logs', name, 'record.sealed'));
    expect(openRecord(sealed, sealToken)?.push?.token).toBe('renewed');
    expect(openRecord(sealed, 'another token')).toBeUndefined();
    job.hub.fault(logs, status(422));
    await log.close();
  });

  it('is set aside under a clear name when its token is not valid any more, and the lines are named', async () => {
    const job = await assignJob();
    const lines = [outputLine('one'), outputLine('two'), finishedLine];
    await killedAfter(job, lines, { pushed: 1 });
    job.hub.fault({ ...logs, times: 10 }, status(401));
    const said = await next(job);
    const [file = ''] = setAside();
    expect(file).toMatch(new RegExp(`^${job.request.jobId}\\.\\d{4}-\\d\\d-\\d\\dT[\\d.-]+Z\\.jsonl$`));
    expect(readFileSync(join(state, 'undelivered', file), 'utf8')).toBe(`${lines.join('\n')}\n`);
    expect(said.at(-1)).toContain('Lines of the job log were not delivered');
    expect(said.at(-1)).toContain('"lines":"1 to 2"');
    expect(said.at(-1)).toContain(file);
    expect(job.pushes().filter((push) => push.endsWith('401'))).toHaveLength(1);
    expect(logsLeft()).toEqual([]);
  });

  it('is uploaded instead when its agent was to do that', async () => {
    const place = tempDir('artifact-');
    const env = { PATH: `${standIn}:/usr/bin:/bin`, ARTIFACT_PLACE: place };
    const job = await assignJob({}, { env_vars: variables });
    await killedAfter(job, [outputLine('one\n'), finishedLine], { upload: 'when-trimmed' });
    job.hub.fault({ ...logs, times: 10 }, status(401));
    await next(job, { env });
    expect(readFileSync(join(place, 'uploaded.1'), 'utf8')).toBe('one\n');
    expect(readFileSync(join(place, 'env.1'), 'utf8')).toContain('SEMAPHORE_ARTIFACT_TOKEN=artifact-secret');
    expect(readFileSync(join(place, 'env.1'), 'utf8')).toContain(`SEMAPHORE_JOB_ID=${job.request.jobId}`);
    expect([...logsLeft(), ...setAside()]).toEqual([]);
  });

  it('stays for the agent after that when this one has to end', async () => {
    const job = await assignJob();
    const lines = [outputLine('one'), finishedLine];
    await killedAfter(job, lines);
    const end = new AbortController();
    const held = job.hub.fault(logs, silence());
    const delivery = next(job, { signal: end.signal });
    await until(() => held.hits === 1, 'the request');
    end.abort();
    await delivery;
    expect(logsLeft()).toHaveLength(1);
    await next(job);
    expect(job.lines()).toEqual(lines);
    expect(logsLeft()).toEqual([]);
  });

  it('stays when the server is away for too long', async () => {
    const job = await assignJob();
    await killedAfter(job, [finishedLine]);
    const away = job.hub.fault({ ...logs, times: 1000 }, status(503));
    await next(job, { clock: new FastClock(100), patienceMs: 30_000 });
    away.cancel();
    expect(logsLeft()).toHaveLength(1);
  });

  it('waits for an agent with its own registration token, for as long as that can help', async () => {
    const job = await assignJob();
    await killedAfter(job, [finishedLine], { token: 'of another agent' });
    expect(await next(job)).toEqual([]);
    expect(logsLeft()).toHaveLength(1);
    const events = join(state, 'logs', logsLeft()[0] ?? '', 'events.jsonl');
    utimesSync(events, new Date(), new Date(Date.now() - 3 * hour));
    expect(await next(job)).toEqual([expect.stringContaining('its agent had another token')]);
    expect(setAside()).toHaveLength(1);
    expect(job.lines()).toEqual([]);
  });

  it('is not cut at the server when the machine went down before all of it was on the disk', async () => {
    const job = await assignJob();
    await killedAfter(job, [outputLine('one'), outputLine('two')], { pushed: 2 });
    const events = join(state, 'logs', logsLeft()[0] ?? '', 'events.jsonl');
    writeFileSync(events, `${outputLine('one')}\n`);
    expect(await next(job)).toEqual([expect.stringContaining('shorter than what the server has')]);
    expect(job.lines()).toEqual([outputLine('one'), outputLine('two')]);
    expect(logsLeft()).toEqual([]);
  });

  it('is found after a delivery was given up, with the same lines', async () => {
    const job = await assignJob();
    const { log } = await openPushed(job, { state, clock: new FastClock(100), patienceMs: 10_000 });
    const off = job.hub.fault({ ...logs, times: 1000 }, status(503));
    log.write(outputLine('one'));
    log.write(finishedLine);
    await log.close();
    off.cancel();
    await next(job);
    expect(job.lines()).toEqual([outputLine('one'), finishedLine]);
    expect(logsLeft()).toEqual([]);
  });

  it('of a job whose log nobody pushes is set aside', async () => {
    const job = await assignJob();
    await killedAfter({ ...job, request: pullRequest(job.request) }, [finishedLine]);
    expect(await next(job)).toEqual([expect.stringContaining('its job was not self-hosted')]);
    expect(setAside()).toHaveLength(1);
  });

  it('is removed after some days when nobody has taken it', async () => {
    const job = await assignJob();
    mkdirSync(join(state, 'undelivered'));
    const [old, young] = ['old.jsonl', 'young.jsonl'].map((name) => join(state, 'undelivered', name));
    for (const file of [old ?? '', young ?? '']) writeFileSync(file, '');
    utimesSync(old ?? '', new Date(), new Date(Date.now() - 8 * 24 * hour));
    utimesSync(young ?? '', new Date(), new Date(Date.now() - 6 * 24 * hour));
    expect(await next(job)).toEqual([expect.stringContaining('old.jsonl')]);
    expect(setAside()).toEqual(['young.jsonl']);
  });

  it('does not keep directories that an agent had only begun to make or to remove', async () => {
    const job = await assignJob();
    const [fresh, stale] = ['fresh', 'stale'].map((name) => join(state, 'logs', name));
    for (const path of [fresh ?? '', stale ?? '']) mkdirSync(path, { recursive: true });
    utimesSync(stale ?? '', new Date(), new Date(Date.now() - 2 * hour));
    expect(await next(job)).toEqual([]);
    expect(logsLeft()).toEqual(['fresh']);
  });
});

const variables = [
  { name: 'SEMAPHORE_ARTIFACT_TOKEN', value: Buffer.from('artifact-secret').toString('base64') },
  { name: 'SEMAPHORE_ORGANIZATION_URL', value: Buffer.from('https://acme.example.test').toString('base64') },
];

function pullRequest(request: JobRequest): JobRequest {
  return { ...request, logger: readJobRequest({}).logger };
}
