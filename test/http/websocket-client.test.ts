import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { openWebSocket, type WebSocketClientOptions } from '../../src/http/index.ts';

let server: WebSocketServer;

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: false });
  await once(server, 'listening');
});

afterEach(() => {
  for (const client of server.clients) client.terminate();
  server.close();
});

async function open(options: Partial<WebSocketClientOptions> = {}) {
  let onClose: (reason: string | undefined) => void = () => undefined;
  const closed = new Promise<string | undefined>((resolve) => (onClose = resolve));
  const got: Buffer[] = [];
  const opening = await openWebSocket({
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    protocols: [],
    headers: {},
    handshakeTimeoutMs: 5000,
    onMessage: (bytes) => void got.push(bytes),
    onClose: (reason) => onClose(reason),
    ...options,
  });
  if (opening.kind !== 'open') throw new Error('refused');
  return { socket: opening.socket, closed, got };
}

it('a server from which nothing comes, not even an answer to pings, is given up', async () => {
  const { closed } = await open({ pingEveryMs: 20, silenceMs: 200 });
  expect(await closed).toBe('nothing came for 0.2 s');
});

it('one that answers is not, however little it has to say', async () => {
  let pings = 0;
  server.on('connection', (client) => {
    client.on('ping', (data) => {
      client.pong(data);
      pings += 1;
      if (pings === 20) client.close(1000);
    });
  });
  const { closed } = await open({ pingEveryMs: 20, silenceMs: 300 });
  expect(await closed).toBeUndefined();
});

it('nor is one that is not listened to', async () => {
  const { socket, closed, got } = await open({ pingEveryMs: 20, silenceMs: 100 });
  socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (const client of server.clients) {
    client.send(Buffer.from('still here'));
    client.close(1000);
  }
  socket.resume();
  expect(await closed).toBeUndefined();
  expect(Buffer.concat(got).toString()).toBe('still here');
});

it('is given up by its signal, and says why it was closed', async () => {
  server.on('connection', (client) => client.close(1011, 'out of order'));
  expect(await (await open()).closed).toBe('the server closed it (1011: out of order)');
  await expect(open({ signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped');
});
