import { createServer, type IncomingHttpHeaders } from 'node:http';
import { readdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openJobLog } from '../../src/agent/log/index.ts';
import { createTransport } from '../../src/http/index.ts';
import { type Clock, systemClock } from '../../src/lib/index.ts';
import { readJobRequest } from '../../src/protocol/ci/index.ts';
import { drop, FastClock, half, html, late, memoryLogger, silence, status, until } from '../ci-hub/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { assignJob, finishedLine, openPushed, outputLine, sealToken } from './log-support.ts';

const logs = { method: 'POST', path: /\/logs\// };

async function closed(log: { close: (options: { onClosed?: (trimmed: boolean) => Promise<void> }) => Promise<void> }) {
  const told: boolean[] = [];
  await log.close({ onClosed: async (trimmed) => void told.push(trimmed) });
  return told;
}

/** Sleeps that begin after `stop` end only with their signal. */
function stoppableClock(): Clock & { stop(): void } {
  let isStopped = false;
  return {
    ...systemClock,
    sleep: (ms, signal) => systemClock.sleep(isStopped ? 2 ** 31 - 1 : ms, signal),
    stop: () => {
      isStopped = true;
    },
  };
}

describe('a job log that is pushed', () => {
  it('needs a URL, and an agent that can renew its token', async () => {
    const base = {
      state: tempDir(),
      sealToken,
      upload: 'never' as const,
      env: {},
      clock: systemClock,
      logger: memoryLogger([]),
    };
    const request = (url: string) => readJobRequest({ logger: { method: 'push', url, token: 't' } });
    await expect(openJobLog({ ...base, request: request('http://127.0.0.1:1/logs/1') })).rejects.toThrow(
      'only agents that are self-hosted',
    );
    const transport = await createTransport({ env: {} });
    const push = {
      transport,
      userAgent: '',
      refresh: () => Promise.resolve(''),
      abandon: new AbortController().signal,
    };
    await expect(openJobLog({ ...base, push, request: request('') })).rejects.toThrow('does not say where to');
  });

  it('sends lines exactly as they were written, to the URL with start_from appended, with its three headers', async () => {
    const requests: { url: string; headers: IncomingHttpHeaders; body: string }[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        requests.push({ url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() });
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/logs/x`;
    const transport = await createTransport({ env: {} });
    onTestFinished(() => transport.close());
    const { log } = await openPushed({
      transport,
      client: {} as never,
      request: readJobRequest({ job_id: 'x', logger: { method: 'push', url, token: 'a.b.c' } }),
    });
    const lines = ['{"event":"job_started","timestamp":1}', outputLine('ä\u0000\u001b[1m €'), finishedLine];
    for (const line of lines) log.write(line);
    await log.close();
    expect(requests.map(({ url: path, body }) => [path, body])).toEqual([
      ['/api/v1/logs/x?start_from=0', `${lines.join('\n')}\n`],
    ]);
    expect(requests[0]?.headers).toMatchObject({
      'content-type': 'text/plain',
      authorization: 'Bearer a.b.c',
      'user-agent': 'SemaphoreAgent/v9.9.9',
    });
  });

  it('comes while the job runs: the first line at once, what follows within two seconds', async () => {
    const job = await assignJob();
    const { log } = await openPushed(job);
    log.write(outputLine('first'));
    await until(() => job.lines().length === 1, 'the first line');
    for (let index = 0; index < 20; index += 1) log.write(outputLine(`${index}`));
    await until(() => job.lines().length === 21, 'the others');
    // Trickling lines share a request.
    expect(job.pushes()).toEqual(['start_from=0 200', 'start_from=1 200']);
    await log.close();
  });

  it('makes no request for an empty log or when nothing is new', async () => {
    const job = await assignJob();
    const { log, state } = await openPushed(job);
    expect(await closed(log)).toEqual([false]);
    expect(job.pushes()).toEqual([]);
    expect(readdirSync(join(state, 'logs'))).toEqual([]);
  });

  it('ends a job with one round trip, whatever it waits for', async () => {
    const job = await assignJob();
    const clock = stoppableClock();
    const { log } = await openPushed(job, { clock });
    log.write(outputLine('first'));
    await until(() => job.pushes().length === 1, 'the first push');
    // From here on nothing that waits for a time would ever come.
    clock.stop();
    log.write(finishedLine);
    await log.close();
    expect(job.pushes()).toEqual(['start_from=0 200', 'start_from=1 200']);
    expect(job.lines()).toEqual([outputLine('first'), finishedLine]);
  });

  it('sends much at once, in requests of up to 2000 lines, one after the other', async () => {
    const job = await assignJob();
    let most = 0;
    let running = 0;
    job.hub.fault({ ...logs, times: 100 }, async (incoming, handle) => {
      running += 1;
      most = Math.max(most, running);
      const reply = await late(20)(incoming, handle, undefined as never);
      running -= 1;
      return reply;
    });
    const { log } = await openPushed(job);
    const lines = Array.from({ length: 7001 }, (_, index) => outputLine(`${index}`));
    for (const line of lines) log.write(line);
    await until(() => job.lines().length === 7001, 'all lines, without an end of the log');
    await log.close();
    expect(job.lines()).toEqual(lines);
    expect(job.pushes()).toEqual([0, 2000, 4000, 6000].map((from) => `start_from=${from} 200`));
    expect(most).toBe(1);
  });

  it('bounds a request by bytes, too', async () => {
    const job = await assignJob();
    let largest = 0;
    job.hub.fault({ ...logs, times: 100 }, async (incoming, handle) => {
      largest = Math.max(largest, Buffer.byteLength(incoming.body));
      return await handle();
    });
    const { log } = await openPushed(job);
    const lines = Array.from({ length: 200 }, (_, index) => outputLine(`${index} ${'x'.repeat(20_000)}`));
    for (const line of lines) log.write(line);
    await log.close();
    expect(job.lines()).toEqual(lines);
    expect(largest).toBeGreaterThan(400_000);
    expect(largest).toBeLessThanOrEqual(512 * 1024);
  });

  it('gets a new token once for a 401 and sends the lines again with it', async () => {
    const job = await assignJob();
    const { log, said } = await openPushed(job);
    log.write(outputLine('first'));
    await until(() => job.lines().length === 1, 'the first line');
    const refused = job.hub.fault(logs, status(401));
    log.write(outputLine('second'));
    await until(() => job.lines().length === 2, 'the second line');
    expect(refused.hits).toBe(1);
    expect(job.pushes()).toEqual(['start_from=0 200', 'start_from=1 401', 'start_from=1 200']);
    expect(job.hub.exchanges().filter(({ path }) => path === '/refresh')).toHaveLength(1);
    expect(said).toEqual([]);
    await log.close();
  });

  it('asks for one token in each round when that one is not taken either', async () => {
    const job = await assignJob();
    const { log } = await openPushed(job, { clock: new FastClock(50) });
    job.hub.fault({ ...logs, times: 4 }, status(401));
    log.write(finishedLine);
    expect(await closed(log)).toEqual([false]);
    expect(job.pushes()).toEqual([...Array.from({ length: 4 }, () => 'start_from=0 401'), 'start_from=0 200']);
    expect(job.hub.exchanges().filter(({ path }) => path === '/refresh')).toHaveLength(2);
  });

  it('tries again when a token cannot be had at the moment', async () => {
    const job = await assignJob();
    const { log } = await openPushed(job, { clock: new FastClock(50) });
    job.hub.fault({ ...logs, times: 3 }, status(401));
    job.hub.fault({ path: /refresh/ }, status(503));
    job.hub.fault({ path: /refresh/ }, drop());
    log.write(finishedLine);
    expect(await closed(log)).toEqual([false]);
    expect(job.lines()).toEqual([finishedLine]);
  });

  it('ends with the token when the server does not know the agent any more, and says which lines are lost', async () => {
    const job = await assignJob();
    const { log, said, state } = await openPushed(job, { clock: new FastClock(50) });
    log.write(outputLine('first'));
    await until(() => job.lines().length === 1, 'the first line');
    job.hub.fault({ ...logs, times: 100 }, status(401));
    job.hub.forget('builder-eu-07');
    log.write(outputLine('second'));
    log.write(finishedLine);
    expect(await closed(log)).toEqual([true]);
    const [kept = ''] = readdirSync(join(state, 'undelivered'));
    expect(kept).toMatch(/^[0-9a-f-]{36}\.\d{4}-.*\.jsonl$/);
    expect(said.at(-1)).toContain('Lines of the job log were not delivered');
    expect(said.at(-1)).toContain('"lines":"1 to 2"');
    expect(said.at(-1)).toContain(kept);
    expect(readdirSync(join(state, 'logs'))).toEqual([]);
  });

  it('stops for good at a 422, and counts as trimmed', async () => {
    const job = await assignJob({ maxLogBytes: 3000 });
    const { log, said } = await openPushed(job);
    for (let index = 0; index < 10; index += 1) log.write(outputLine(`${index}`));
    await until(() => job.lines().length === 10, 'the first lines');
    log.write(outputLine('x'.repeat(3000)));
    await until(() => job.pushes().at(-1)?.endsWith('422') === true, 'the refusal');
    const pushes = job.pushes().length;
    for (let index = 0; index < 3000; index += 1) log.write(outputLine(`${index}`));
    await delay(50);
    expect(await closed(log)).toEqual([true]);
    expect(job.pushes()).toHaveLength(pushes);
    expect(said).toEqual(['The server takes no more of the job log {"lines":10}']);
  });

  it('sends less at a time after a 413', async () => {
    const job = await assignJob();
    const limit = 60_000;
    job.hub.fault({ ...logs, times: 1000 }, async (incoming, handle, response) =>
      incoming.body.length > limit ? await status(413)(incoming, handle, response) : await handle(),
    );
    const { log } = await openPushed(job);
    const lines = Array.from({ length: 4000 }, (_, index) => outputLine(`${index} ${'x'.repeat(100)}`));
    for (const line of lines) log.write(line);
    expect(await closed(log)).toEqual([false]);
    expect(job.lines()).toEqual(lines);
    expect(job.pushes().filter((push) => push.endsWith('413')).length).toBeLessThan(5);
  });

  it('shortens a line that the server does not take alone, and goes on behind it', async () => {
    const job = await assignJob();
    job.hub.fault({ ...logs, times: 1000 }, async (incoming, handle, response) =>
      incoming.body.length > 10_000 ? await status(413)(incoming, handle, response) : await handle(),
    );
    const { log } = await openPushed(job);
    const long = `{"event":"cmd_started","timestamp":1,"directive":"${'long '.repeat(5000)}"}`;
    for (const line of [outputLine('before'), long, outputLine('after'), finishedLine]) log.write(line);
    expect(await closed(log)).toEqual([true]);
    const [before, shortened = '', ...rest] = job.lines();
    expect([before, ...rest]).toEqual([outputLine('before'), outputLine('after'), finishedLine]);
    expect(Object.keys(JSON.parse(shortened))).toEqual(['event', 'timestamp', 'directive']);
    expect((JSON.parse(shortened) as { directive: string }).directive).toMatch(
      /^long long .*… \[20904 more characters/,
    );
  });

  it('waits as long as a server asks, also at its end', async () => {
    const job = await assignJob();
    const clock = new FastClock(20);
    const { log } = await openPushed(job, { clock });
    job.hub.fault(logs, status(429, 'slow down', { 'retry-after': '20' }));
    log.write(outputLine('first'));
    const began = clock.now();
    await until(() => job.pushes().at(-1) === 'start_from=0 429', 'the refusal');
    // Longer than the pause that any failure is followed by, and shorter than what was asked for.
    await delay(100);
    log.write(finishedLine);
    await log.close();
    expect(clock.now() - began).toBeGreaterThanOrEqual(20_000);
    expect(job.pushes()).toEqual(['start_from=0 429', 'start_from=0 200']);
  });
});

describe('a fault on the way of a job log', () => {
  const faults = {
    '201, which is no acknowledgement': status(201),
    '204, which is no acknowledgement': status(204),
    '400': status(400),
    '403': status(403),
    '404': status(404),
    '409': status(409),
    '429': status(429),
    '500': status(500),
    '502 with a web page': html(502, 'Bad Gateway'),
    '503': status(503),
    'a redirect': status(302, '', { location: 'http://127.0.0.1:1/' }),
    'a connection that is cut': drop(),
    'a connection that is cut after the lines were taken': drop({ stored: true }),
    'half an answer': half(),
    'half an answer after the lines were taken': half({ stored: true }),
    'an answer that is late': late(300),
  };

  it.each(Object.entries(faults))('loses and doubles nothing: %s', async (_name, fault) => {
    const job = await assignJob();
    const { log } = await openPushed(job, { clock: new FastClock(20) });
    const lines: string[] = [];
    const write = (text: string): void => {
      lines.push(outputLine(text));
      log.write(outputLine(text));
    };
    write('before');
    await until(() => job.lines().length === 1, 'the first line');
    const order = job.hub.fault({ ...logs, times: 3 }, fault);
    for (let index = 0; index < 100; index += 1) {
      write(`${index}`);
      if (index % 25 === 0) await delay(10);
    }
    expect(await closed(log)).toEqual([false]);
    expect(order.hits).toBeGreaterThan(0);
    expect(job.lines()).toEqual(lines);
  });

  it('is told once in the log of the agent, with what is waiting, and so is its end', async () => {
    const job = await assignJob();
    const { log, said } = await openPushed(job, { clock: new FastClock(20) });
    job.hub.fault({ ...logs, times: 4 }, status(500, 'out of order'));
    log.write(finishedLine);
    await log.close();
    expect(said).toEqual([
      expect.stringMatching(/^The job log cannot be delivered at the moment .*500: out of order/),
      'The job log is being delivered again',
    ]);
  });

  it('a server that is away for longer than a minute gets all lines when it is back', async () => {
    const clock = new FastClock(200);
    const job = await assignJob({ clock: systemClock });
    const { log } = await openPushed(job, { clock });
    const gone = job.hub.fault({ ...logs, times: 10_000 }, drop());
    log.write(outputLine('first'));
    log.write(finishedLine);
    const began = clock.now();
    const ended = closed(log);
    while (clock.now() - began < 90_000) await delay(20);
    gone.cancel();
    expect(await ended).toEqual([false]);
    expect(job.lines()).toEqual([outputLine('first'), finishedLine]);
  });

  it('gives up when nothing was taken for longer than the agent is patient, says which lines, and leaves them', async () => {
    const job = await assignJob();
    const { log, said, state } = await openPushed(job, { clock: new FastClock(100), patienceMs: 60_000 });
    log.write(outputLine('first'));
    await until(() => job.lines().length === 1, 'the first line');
    job.hub.fault({ ...logs, times: 10_000 }, status(500));
    log.write(outputLine('second'));
    log.write(finishedLine);
    expect(await closed(log)).toEqual([true]);
    expect(said.at(-1)).toContain('"lines":"1 to 2"');
    expect(said.at(-1)).toContain('no success in 60 s');
    expect(readdirSync(join(state, 'logs'))).toHaveLength(1);
  });

  it('gives up at once when the agent cannot wait, also in the middle of a request', async () => {
    const job = await assignJob();
    const abandon = new AbortController();
    const { log, said, state } = await openPushed(job, { abandon: abandon.signal });
    const held = job.hub.fault(logs, silence());
    log.write(finishedLine);
    const ended = closed(log);
    await until(() => held.hits === 1, 'the request');
    abandon.abort();
    expect(await ended).toEqual([true]);
    expect(said).toEqual([expect.stringMatching(/not delivered.*"lines":"0 to 0".*the next agent/)]);
    expect(readdirSync(join(state, 'logs'))).toHaveLength(1);
  });

  it('is not worth a word when the next request succeeds', async () => {
    const job = await assignJob();
    const { log, said } = await openPushed(job);
    job.hub.fault(logs, drop());
    log.write(finishedLine);
    await log.close();
    expect(job.lines()).toEqual([finishedLine]);
    expect(said).toEqual([]);
  });
});
