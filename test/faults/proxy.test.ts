import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as faults from '../support/faults/faults.ts';
import { startOtherHost } from '../support/faults/other-host.ts';
import { FaultProxy } from '../support/faults/proxy.ts';

interface Got {
  status: number;
  body: string;
  retryAfter: string | null;
}

/** A server that counts, and a proxy before it. */
async function stage() {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push(`${request.method} ${request.url} ${Buffer.concat(chunks).toString()}`.trimEnd());
      response.writeHead(200, { 'content-type': 'application/json' }).end(`{"count":${seen.length}}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const proxy = await FaultProxy.start(() => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const ask = async (method: string, body?: string, path = '/x'): Promise<Got> => {
    const init = { method, redirect: 'manual', ...(body === undefined ? {} : { body }) } as const;
    const response = await fetch(`${proxy.url}${path}`, { ...init, signal: AbortSignal.timeout(5000) });
    return { status: response.status, body: await response.text(), retryAfter: response.headers.get('retry-after') };
  };
  return { proxy, seen, ask };
}

describe('the fault proxy', () => {
  it('passes what it has no order for, and records it', async () => {
    const { proxy, seen, ask } = await stage();
    expect(await ask('PUT', 'hello')).toMatchObject({ status: 200, body: '{"count":1}' });
    expect(seen).toEqual(['PUT /x hello']);
    expect(proxy.requests).toMatchObject([{ method: 'PUT', path: '/x', body: 'hello', answers: [{ status: 200 }] }]);
  });

  it('spoils the requests that an order names, as often as it says', async () => {
    const { proxy, seen, ask } = await stage();
    const order = proxy.inject(faults.status(503, { 'retry-after': '2' }), {
      method: 'PUT',
      carrying: /secret/,
      path: /^\/x$/,
      skip: 1,
      times: 2,
    });
    const statuses: number[] = [];
    for (const [method, body, path] of [
      ['GET'],
      ['PUT', 'plain'],
      ['PUT', 'secret', '/y'],
      ['PUT', 'secret 1'],
      ['PUT', 'secret 2'],
      ['PUT', 'secret 3'],
      ['PUT', 'secret 4'],
    ] as const) {
      statuses.push((await ask(method, body, path)).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 503, 503, 200]);
    expect(order.hits).toBe(2);
    expect(seen).toHaveLength(5);
    expect(proxy.requests).toHaveLength(7);
  });

  it('takes orders back', async () => {
    const { proxy, ask } = await stage();
    const first = proxy.inject(faults.status(500));
    proxy.inject(faults.status(502));
    expect((await ask('GET')).status).toBe(500);
    first.remove();
    expect((await ask('GET')).status).toBe(502);
    proxy.heal();
    expect((await ask('GET')).status).toBe(200);
  });

  it('refuses connections while it is down, and comes back at the same place', async () => {
    const { proxy, ask } = await stage();
    const { url } = proxy;
    await proxy.down();
    await expect(ask('GET')).rejects.toThrow(/fetch failed/);
    await proxy.up();
    expect(proxy.url).toBe(url);
    expect((await ask('GET')).status).toBe(200);
  });

  it('answers 502 when the server is not there', async () => {
    const proxy = await FaultProxy.start(() => 'http://127.0.0.1:1');
    expect((await fetch(proxy.url)).status).toBe(502);
  });

  it.each([
    ['never answers', faults.silence(), false, /timeout|aborted/i],
    ['never answers what the server has', faults.silence({ stored: true }), true, /timeout|aborted/i],
    ['resets the connection before', faults.reset(), false, /fetch failed|terminated/],
    ['resets the connection after', faults.reset({ stored: true }), true, /fetch failed|terminated/],
    ['cuts an answer', faults.cutAnswer(), false, /terminated/],
    ['cuts an answer in chunks', faults.cutAnswer({ stored: true, chunked: true }), true, /terminated/],
    ['speaks no HTTP', faults.garbage(), false, /fetch failed/],
    ['is slow', faults.slowAnswer(200), true, /timeout|aborted/i],
  ])('%s', async (_name, fault, stored, expected) => {
    const { proxy, seen } = await stage();
    proxy.inject(fault);
    const asked = fetch(proxy.url, { method: 'PUT', body: 'x', signal: AbortSignal.timeout(500) });
    await expect(asked.then((response) => response.text())).rejects.toThrow(expected);
    expect(seen).toHaveLength(stored ? 1 : 0);
  });

  it.each([
    ['refuses what is too large', faults.tooLarge(3), { status: 413 }, 0],
    ['passes what is not', faults.tooLarge(4), { status: 200, body: '{"count":1}' }, 1],
    ['shows a page', faults.html(200, 'Log in'), { status: 200, body: expect.stringContaining('Log in') }, 0],
    ['halves a JSON', faults.halfJson({ stored: true }), { status: 200, body: expect.stringMatching(/"sta$/) }, 1],
    ['says anything', faults.text('ok'), { status: 200, body: 'ok' }, 0],
    ['refuses a token', faults.unknownRunner(), { status: 404, body: '{"error":"Runner not found"}' }, 0],
    ['is late', faults.latency(50), { status: 200, body: '{"count":1}' }, 1],
    ['delivers twice, first answer', faults.twice(0), { status: 200, body: '{"count":1}' }, 2],
    ['delivers twice, second answer', faults.twice(1), { status: 200, body: '{"count":2}' }, 2],
  ])('%s', async (_name, fault, expected, deliveries) => {
    const { proxy, seen, ask } = await stage();
    proxy.inject(fault);
    expect(await ask('PUT', 'four')).toMatchObject(expected);
    expect(seen).toHaveLength(deliveries);
  });

  it('repeats an earlier answer', async () => {
    const { proxy, seen, ask } = await stage();
    await ask('PUT', 'a');
    await ask('GET');
    proxy.inject(faults.replay());
    expect((await ask('PUT', 'b')).body).toBe('{"count":1}');
    expect(seen).toHaveLength(3);
  });

  it('sends elsewhere, and the other host says what it got', async () => {
    const { proxy, ask } = await stage();
    const other = await startOtherHost();
    proxy.inject(faults.redirect(307, `${other.url}/there`));
    expect((await ask('GET')).status).toBe(307);
    expect(other.received).toEqual([]);
    await fetch(proxy.url, { method: 'PUT', body: 'moved' });
    expect(other.received).toMatchObject([{ method: 'PUT', url: '/there', body: 'moved' }]);
  });
});
