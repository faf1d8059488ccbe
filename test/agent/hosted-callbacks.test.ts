import type { IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { createCallbacks } from '../../src/agent/hosted/index.ts';
import { createTransport } from '../../src/http/index.ts';
import type { Clock } from '../../src/lib/index.ts';
import { closeServers, serveHttp } from '../http/servers.ts';
import { recordingLogger } from './hosted-client.ts';

/** Spec CI 5.11. */

afterEach(closeServers);

interface Called {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A server that answers with these statuses in turn, then with the last one for ever. 0 breaks the connection. */
async function broker(...statuses: number[]): Promise<{ url: string; called: Called[] }> {
  const called: Called[] = [];
  const { url } = await serveHttp((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const status = statuses[Math.min(called.length, statuses.length - 1)] ?? 200;
      const { method = '', url: path = '', headers } = request;
      called.push({ method, path, headers, body: Buffer.concat(chunks).toString('utf8') });
      if (status === 0) request.socket.destroy();
      else response.writeHead(status).end('whatever');
    });
  });
  return { url, called };
}

async function callbacksTo(
  callbacks: { finished?: string; teardownFinished?: string; token?: string },
  { attempts = 5, giveUp = new AbortController() }: { attempts?: number; giveUp?: AbortController } = {},
) {
  const sleeps: number[] = [];
  const clock: Clock = {
    now: () => Date.now(),
    random: () => 0,
    sleep: (ms, signal) => {
      sleeps.push(ms);
      signal?.throwIfAborted();
      return Promise.resolve();
    },
  };
  const { logger, lines } = recordingLogger();
  const transport = await createTransport({ env: {} });
  const made = createCallbacks({
    callbacks: { finished: '', teardownFinished: '', token: '', ...callbacks },
    transport,
    userAgent: 'SemaphoreAgent/v9.9.9',
    attempts,
    clock,
    giveUp: giveUp.signal,
    logger,
  });
  return { ...made, sleeps, lines };
}

describe('callbacks', () => {
  it.each(['passed', 'failed', 'stopped'] as const)('tell the result %s byte for byte', async (result) => {
    const { url, called } = await broker(200);
    const { finished } = await callbacksTo({ finished: `${url}/finished/1`, token: 'cb.token' });
    await finished(result);
    expect(called).toMatchObject([
      {
        method: 'POST',
        path: '/finished/1',
        body: `{"result": "${result}"}`,
        headers: { authorization: 'Bearer cb.token', 'user-agent': 'SemaphoreAgent/v9.9.9' },
      },
    ]);
    expect(called[0]?.headers['content-type']).toBeUndefined();
  });

  it('tell the end of the teardown, and no token when there is none', async () => {
    const { url, called } = await broker(204);
    const { teardownFinished } = await callbacksTo({ teardownFinished: `${url}/teardown` });
    await teardownFinished();
    expect(called).toMatchObject([{ method: 'POST', path: '/teardown', body: '{}' }]);
    expect(called[0]?.headers.authorization).toBeUndefined();
  });

  it.each([200, 201, 204, 299])('are done with %i', async (status) => {
    const { url, called } = await broker(status);
    const { finished, sleeps } = await callbacksTo({ finished: url });
    await finished('passed');
    expect(called).toHaveLength(1);
    expect(sleeps).toEqual([]);
  });

  it('are tried again a second later, whatever the failure', async () => {
    const { url, called } = await broker(500, 404, 401, 302, 0, 200);
    const { finished, sleeps } = await callbacksTo({ finished: url }, { attempts: 6 });
    await finished('passed');
    expect(called).toHaveLength(6);
    expect(sleeps).toEqual([1000, 1000, 1000, 1000, 1000]);
  });

  it('fail after the last attempt', async () => {
    const { url, called } = await broker(503);
    const { finished, teardownFinished } = await callbacksTo({ finished: url, teardownFinished: url }, { attempts: 3 });
    await expect(finished('passed')).rejects.toThrow(/503/);
    expect(called).toHaveLength(3);
    await expect(teardownFinished()).rejects.toThrow(/503/);
    expect(called).toHaveLength(6);
  });

  it('without a URL are passed over at once, with one line', async () => {
    const { finished, teardownFinished, sleeps, lines } = await callbacksTo({}, { attempts: 300 });
    await finished('passed');
    await teardownFinished();
    expect(sleeps).toEqual([]);
    expect(lines.map(({ level, fields }) => [level, fields['callback']])).toEqual([
      ['warn', 'finished'],
      ['warn', 'teardown_finished'],
    ]);
  });

  it('to something that is no URL fail at once', async () => {
    const { finished, sleeps } = await callbacksTo({ finished: 'nonsense' }, { attempts: 300 });
    await expect(finished('passed')).rejects.toThrow(/is not a URL: nonsense/);
    expect(sleeps).toEqual([]);
  });

  it('are given up when there is no more time', async () => {
    const { url, called } = await broker(503);
    const giveUp = new AbortController();
    const { finished } = await callbacksTo({ finished: url }, { attempts: 300, giveUp });
    const calling = finished('passed');
    giveUp.abort();
    await expect(calling).rejects.toThrow();
    expect(called.length).toBeLessThan(2);
  });
});
