import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/lib/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { ask, postJob, startServing, token, until } from './hosted-client.ts';

/** Spec CI 3.3–3.5. */

const status = (state: string): string => `{"state":"${state}","version":"v9.9.9"}`;
/** Does nothing until it is stopped. */
function idleJob(log: () => Iterable<Buffer> = () => []) {
  const run = (stop: AbortSignal): Promise<'stopped'> =>
    new Promise((resolve) => stop.addEventListener('abort', () => resolve('stopped')));
  return { run, readLog: () => Readable.from(log()) };
}

const sniffed = 'text/plain; charset=utf-8';

describe('GET /status', () => {
  it('says whether a job was ever received', async () => {
    const { url, jobs } = await startServing();
    expect(await ask(url, '/status')).toMatchObject({
      status: 200,
      body: status('waiting-for-job'),
      headers: { 'content-type': sniffed },
    });
    await postJob(url, { job_id: 'a' });
    expect((await ask(url, '/status')).body).toBe(status('job-received'));
    jobs[0]?.finish();
    await delay(50);
    expect((await ask(url, '/status')).body).toBe(status('job-received'));
  });
});

describe('POST /jobs', () => {
  it('takes one job, whatever the content type, and knows it again', async () => {
    const { url, jobs } = await startServing();
    const body = JSON.stringify({ job_id: 'a', commands: [{ directive: 'true' }], unknown: 1, files: null });
    const first = await ask(url, '/jobs', { method: 'POST', body, headers: { 'content-type': 'image/png' } });
    expect(first).toMatchObject({ status: 200, body: '{"message": "ok"}', headers: { 'content-type': sniffed } });
    expect(await postJob(url, { job_id: 'a' })).toMatchObject({
      status: 200,
      body: '{"message": "job is already running"}',
    });
    expect(await postJob(url, { job_id: 'b' })).toMatchObject({
      status: 422,
      body: '{"message": "another job is already running"}',
    });
    jobs[0]?.finish();
    await delay(50);
    expect((await postJob(url, { job_id: 'a' })).body).toBe('{"message": "job is already running"}');
    expect((await postJob(url, { job_id: 'b' })).status).toBe(422);
    expect(jobs.map((job) => job.request.jobId)).toEqual(['a']);
  });

  it('lets one of 20 requests at once win, of the same job and of 20 different ones', async () => {
    const same = await startServing();
    const answers = await Promise.all(Array.from({ length: 20 }, () => postJob(same.url, { job_id: 'a' })));
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(answers.filter((answer) => answer.body === '{"message": "ok"}')).toHaveLength(1);
    expect(same.jobs).toHaveLength(1);

    // Also while the winner takes its time to be built.
    const many = await startServing({
      buildJob: async () => {
        await delay(100);
        return idleJob();
      },
    });
    const racing = Array.from({ length: 20 }, (_, index) => postJob(many.url, { job_id: `job-${index}` }));
    const statuses = (await Promise.all(racing)).map((answer) => answer.status);
    expect(statuses.filter((each) => each === 200)).toHaveLength(1);
    expect(statuses.filter((each) => each === 422)).toHaveLength(19);
  });

  it.each([
    ['no JSON', '{"job_id": ', 'the job request is not valid JSON'],
    ['nothing', '', 'the job request is not valid JSON'],
    ['a wrong type', '{"commands": "ls"}', 'the job request is not valid: commands: expected array, received string'],
  ])('refuses %s in text and in JSON', async (_what, body, words) => {
    const { url, jobs } = await startServing();
    const answer = await ask(url, '/jobs', { method: 'POST', body });
    expect(answer).toMatchObject({ status: 422, body: `${words}\n{"message": "${words}"}` });
    expect((await ask(url, '/status')).body).toBe(status('waiting-for-job'));
    expect(jobs).toEqual([]);
    expect((await postJob(url, { job_id: 'a' })).body).toBe('{"message": "ok"}');
  });

  it('quotes nothing of a request that is refused', async () => {
    const { url, lines } = await startServing();
    const answer = await ask(url, '/jobs', { method: 'POST', body: '{"env_vars":[{"value":"c2VjcmV0"}' });
    const typed = await ask(url, '/jobs', { method: 'POST', body: '{"env_vars":[{"value":["c2VjcmV0"]}]}' });
    expect(answer.body + typed.body + JSON.stringify(lines)).not.toContain('c2VjcmV0');
  });

  it('has no job when one cannot be built', async () => {
    let isBroken = true;
    const { url } = await startServing({
      buildJob: () =>
        isBroken ? Promise.reject(new UserError('unknown executor type: "x"')) : Promise.resolve(idleJob()),
    });
    const answer = await postJob(url, { job_id: 'a', executor: 'x' });
    expect(answer.status).toBe(500);
    expect(answer.body).toBe('unknown executor type: "x"\n{"message": "unknown executor type: \\"x\\""}');
    expect((await ask(url, '/status')).body).toBe(status('waiting-for-job'));
    expect((await ask(url, '/jobs/a/log')).status).toBe(404);
    isBroken = false;
    expect((await postJob(url, { job_id: 'b' })).body).toBe('{"message": "ok"}');
  });

  it('answers before the job has done anything', async () => {
    // Controllers wait 3 s.
    const { url, jobs } = await startServing();
    await postJob(url, { job_id: 'a' });
    expect(jobs).toHaveLength(1);
    expect(jobs[0]?.stop.aborted).toBe(false);
  });

  it('is not held up by a client that sends slowly', async () => {
    const { url, port } = await startServing();
    const slow = request({
      port,
      method: 'POST',
      path: '/jobs',
      rejectUnauthorized: false,
      agent: false,
      headers: { authorization: `x ${token}`, 'content-length': 10_000 },
    });
    slow.on('error', () => undefined);
    slow.write('{');
    await delay(200);
    expect((await postJob(url, { job_id: 'a' })).body).toBe('{"message": "ok"}');
    slow.destroy();
  });
});

describe('POST /stop', () => {
  it.each(['/stop', '/jobs/terminate'])('%s stops the job, whatever the body', async (path) => {
    const { url, jobs } = await startServing();
    await postJob(url, { job_id: 'a' });
    const body = '{"job_hash_id":"another"}';
    expect(await ask(url, path, { method: 'POST', body })).toMatchObject({ status: 200, body: '' });
    expect(jobs[0]?.stop.aborted).toBe(true);
    expect(await ask(url, path, { method: 'POST' })).toMatchObject({ status: 200, body: '' });
  });

  it.each(['/stop', '/jobs/terminate'])('%s does no harm before there is a job', async (path) => {
    const { url, jobs } = await startServing();
    expect(await ask(url, path, { method: 'POST' })).toMatchObject({ status: 200, body: '' });
    await postJob(url, { job_id: 'a' });
    expect(jobs[0]?.stop.aborted).toBe(false);
  });
});

describe('GET /jobs/{id}/log', () => {
  it.each([
    ['', [0, 1, 2]],
    ['?start_from=0', [0, 1, 2]],
    ['?start_from=1', [1, 2]],
    ['?start_from=2', [2]],
    ['?start_from=3', []],
    ['?start_from=1000', []],
    ['?start_from=-1', [0, 1, 2]],
    ['?start_from=one', [0, 1, 2]],
    ['?start_from=1.5', [0, 1, 2]],
    ['?start_from=', [0, 1, 2]],
  ])('sends lines from start_from on: %s', async (query, expected) => {
    const { url, jobs } = await startServing();
    await postJob(url, { job_id: 'a' });
    jobs[0]?.lines.push('{"n":0}', '{"n":1}', '{"n":2}');
    const answer = await ask(url, `/jobs/a/log${query}`);
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'text/plain' } });
    expect(answer.body).toBe(expected.map((n) => `{"n":${n}}\n`).join(''));
  });

  it('knows no other job', async () => {
    const { url } = await startServing();
    expect(await ask(url, '/jobs/a/log')).toMatchObject({ status: 404, body: '{"message": "job a is not running"}' });
    await postJob(url, { job_id: 'a' });
    expect(await ask(url, '/jobs/b%22/log')).toMatchObject({
      status: 403,
      body: '{"message": "job b\\" is not running"}',
    });
  });

  it('tells what the system says when the log is gone', async () => {
    const { url, jobs } = await startServing();
    await postJob(url, { job_id: 'a' });
    for (const job of jobs) job.isRemoved = true;
    const answer = await ask(url, '/jobs/a/log');
    expect(answer).toMatchObject({ status: 500, body: "ENOENT: no such file or directory, open 'events.jsonl'\n" });
  });

  it('lets the teardown go on when the archivator has the log, and nobody else', async () => {
    const { url, jobs } = await startServing();
    await postJob(url, { job_id: 'a' });
    const [job] = jobs;
    let isArchived = false;
    void job?.teardown.archived().then(() => (isArchived = true));
    await ask(url, '/jobs/a/log');
    await ask(url, '/jobs/a/log', { headers: { 'x-client-name': 'somebody' } });
    await ask(url, '/jobs/b/log', { headers: { 'x-client-name': 'archivator' } });
    await delay(50);
    expect(isArchived).toBe(false);
    await ask(url, '/jobs/a/log?start_from=99', { headers: { 'x-client-name': 'archivator' } });
    await until(() => isArchived, 'the archive');
    // Also when it was there first.
    await job?.teardown.archived();
  });

  it('does not take a download that broke off for the archive', async () => {
    let isArchived = false;
    const { url } = await startServing({
      buildJob: (_request, teardown) => {
        void teardown.archived().then(
          () => (isArchived = true),
          () => undefined,
        );
        return Promise.resolve(idleJob(endless));
      },
    });
    await postJob(url, { job_id: 'a' });
    const breaking = request(`${url}/jobs/a/log`, {
      rejectUnauthorized: false,
      agent: false,
      headers: { authorization: `x ${token}`, 'x-client-name': 'archivator' },
    });
    breaking.on('error', () => undefined);
    breaking.end();
    const [response] = await once(breaking, 'response');
    response.destroy();
    await delay(200);
    expect(isArchived).toBe(false);
  });

  it('goes on for longer than the original allows, for a reader that is slow', { timeout: 60_000 }, async () => {
    const { url, jobs } = await startServing();
    await postJob(url, { job_id: 'a' });
    const line = 'x'.repeat(99_999);
    jobs[0]?.lines.push(...Array.from({ length: 300 }, () => line));
    const asking = request(`${url}/jobs/a/log`, {
      rejectUnauthorized: false,
      agent: false,
      headers: { authorization: `x ${token}` },
    });
    asking.end();
    const [response] = await once(asking, 'response');
    // The original cuts off after 5 s of writing; Node.js looks twice before it calls a connection dead.
    await delay(12_000);
    let size = 0;
    response.on('data', (chunk: Buffer) => (size += chunk.length));
    await once(response, 'end');
    expect(size).toBe(30_000_000);
  });
});

describe('GET /agent_logs', () => {
  it('sends the agent log from where it really is', async () => {
    const file = join(tempDir(), 'own.log');
    const { url } = await startServing({ agentLogFile: file });
    expect(await ask(url, '/agent_logs')).toMatchObject({ status: 404 });
    writeFileSync(file, '');
    expect(await ask(url, '/agent_logs')).toMatchObject({ status: 200, body: '' });
    writeFileSync(file, 'Aug 11 21:07:26.242 : first\nsecond\n');
    expect(await ask(url, '/agent_logs')).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/plain' },
      body: 'Aug 11 21:07:26.242 : first\nsecond\n',
    });
  });

  it('is none when the log is not written to a file', async () => {
    const { url } = await startServing({ agentLogFile: undefined });
    expect(await ask(url, '/agent_logs')).toMatchObject({ status: 404 });
  });
});

function* endless(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(64 * 1024, 'x\n');
}
