import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import {
  bearerToken,
  createRouter,
  listen,
  type Listener,
  problem,
  type WebSocketLimits,
  type WebSocketPeer,
} from '../../src/http/index.ts';

const listeners: Listener[] = [];
const clients: WebSocket[] = [];

interface Hub {
  url: string;
  peers: WebSocketPeer[];
  texts: string[];
  closed: () => number;
  listener: Listener;
}

async function hub(limits: WebSocketLimits = {}): Promise<Hub> {
  const peers: WebSocketPeer[] = [];
  const texts: string[] = [];
  let closed = 0;
  const router = createRouter({
    guard: ({ headers }) => (bearerToken(headers) === 't0k' ? undefined : problem(401, 'Invalid token')),
  });
  router.handleUpgrade('/api/ws', (peer, { query }) => {
    peers.push(peer);
    peer.onMessage((text) => {
      texts.push(text);
      peer.send(`${query.get('who')}: ${text}`);
    });
    peer.onClose(() => {
      closed += 1;
    });
  });
  const listener = await listen({ host: '127.0.0.1', port: 0, router, webSocket: limits, closeGraceMs: 2000 });
  listeners.push(listener);
  return { url: listener.url.replace('http', 'ws'), peers, texts, closed: () => closed, listener };
}

function join(url: string, options: { token?: string; autoPong?: boolean } = {}): WebSocket {
  const client = new WebSocket(url, {
    headers: { authorization: `Bearer ${options.token ?? 't0k'}` },
    autoPong: options.autoPong ?? true,
  });
  clients.push(client);
  return client;
}

function once(client: WebSocket, event: 'open' | 'close' | 'message' | 'unexpected-response'): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    client.once(event, (...values: unknown[]) => resolve(values));
    if (event !== 'close') client.once('error', reject);
  });
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  await Promise.all(listeners.splice(0).map((listener) => listener.close()));
});

describe('a WebSocket', () => {
  it('carries texts both ways and tells when it is closed', async () => {
    const { url, texts, closed, peers } = await hub();
    const client = join(`${url}//api/ws/?who=alice`);
    await once(client, 'open');
    client.send('hello');
    const [data] = await once(client, 'message');
    expect(String(data)).toBe('alice: hello');
    expect(texts).toEqual(['hello']);
    client.close();
    await expect.poll(closed, { timeout: 20_000 }).toBe(1);
    peers[0]?.send('too late');
    peers[0]?.close();
  });

  it('is refused with the status of the guard, or 404', async () => {
    const { url } = await hub();
    const refused = join(`${url}/api/ws`, { token: 'wrong' });
    refused.on('error', () => undefined);
    const [, response] = await once(refused, 'unexpected-response');
    expect(response).toMatchObject({ statusCode: 401 });
    const lost = join(`${url}/nowhere`);
    lost.on('error', () => undefined);
    const [, missing] = await once(lost, 'unexpected-response');
    expect(missing).toMatchObject({ statusCode: 404 });
  });

  it('is pinged, and stays as long as it answers', async () => {
    const { url, closed } = await hub({ pingEveryMs: 40, silenceMs: 150 });
    const client = join(`${url}/api/ws`);
    let pings = 0;
    client.on('ping', () => {
      pings += 1;
    });
    await once(client, 'open');
    await expect.poll(() => pings, { timeout: 5000 }).toBeGreaterThan(8);
    expect(closed()).toBe(0);
  });

  it('is dropped when nothing comes from it', async () => {
    const { url, closed } = await hub({ pingEveryMs: 40, silenceMs: 120 });
    const client = join(`${url}/api/ws`, { autoPong: false });
    await once(client, 'open');
    await expect.poll(closed, { timeout: 5000 }).toBe(1);
  });

  it('is dropped when it reads too slowly, without harm to the others', async () => {
    const { url, closed, peers } = await hub({ maxBufferedBytes: 1_000_000 });
    const slow = join(`${url}/api/ws`);
    const quick = join(`${url}/api/ws`);
    await Promise.all([once(slow, 'open'), once(quick, 'open')]);
    slow.pause();
    let received = 0;
    quick.on('message', () => {
      received += 1;
    });
    await expect.poll(() => peers.length, { timeout: 20_000 }).toBe(2);
    for (let round = 0; round < 400 && closed() === 0; round += 1) {
      for (const peer of peers) peer.send('x'.repeat(100_000));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(closed()).toBe(1);
    expect(received).toBeGreaterThan(5);
    expect(quick.readyState).toBe(WebSocket.OPEN);
  });

  it('is told to go away when the server closes', async () => {
    const { url, listener } = await hub();
    const client = join(`${url}/api/ws`);
    await once(client, 'open');
    const closed = once(client, 'close');
    await listener.close();
    expect((await closed)[0]).toBe(1001);
  });

  it('does not survive a protocol violation, and the server does', async () => {
    const { url, closed } = await hub();
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      'GET /api/ws HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t0k\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
        'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    await new Promise((resolve) => socket.once('data', resolve));
    socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]));
    await expect.poll(closed, { timeout: 20_000 }).toBe(1);
    socket.destroy();
    const client = join(`${url}/api/ws`);
    await once(client, 'open');
  });
});
