import { connect, type Socket } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createTransport, type HttpTransport, type TransportOptions } from '../../src/http/index.ts';
import { needs } from '../support/tools.ts';
import { type Certificates, makeCertificates } from './certificates.ts';
import { closeServers, serveHttp, serveProxy, serveTcp, type TestServer } from './servers.ts';

/** A gateway that forgets the connections it has and says nothing of it, as a NAT does; new ones pass. */
async function serveForgetful(port: number): Promise<TestServer & { forget: () => void; open: () => number }> {
  const ways = new Set<readonly [Socket, Socket]>();
  const gateway = await serveTcp((socket) => {
    const onward = connect(port, '127.0.0.1');
    const way = [socket, onward] as const;
    ways.add(way);
    socket.pipe(onward).pipe(socket);
    for (const side of way) side.on('error', () => undefined);
    socket.on('close', () => {
      ways.delete(way);
      onward.destroy();
    });
  });
  return {
    ...gateway,
    open: () => ways.size,
    forget: () => {
      for (const [socket, onward] of ways) {
        socket.unpipe(onward);
        onward.unpipe(socket);
        // Read on, so that the end of a connection is noticed; but nothing gets through.
        socket.resume();
        onward.resume();
      }
    },
  };
}

describe.runIf(needs('openssl'))('a connection that died without a word', () => {
  let directory: string;
  let zoo: Certificates;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'semaphore-dead-'));
    zoo = makeCertificates(directory);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  afterEach(closeServers);

  async function open(options: Partial<TransportOptions> = {}): Promise<HttpTransport> {
    const transport = await createTransport({ env: {}, caFile: zoo.caFile, ...options });
    onTestFinished(() => transport.close());
    return transport;
  }

  async function get(transport: HttpTransport, url: string, timeoutMs = 20_000): Promise<string> {
    const request = { method: 'GET' as const, url, headers: {}, timeoutMs, maxResponseBytes: 1000 };
    return (await transport.request(request)).body.toString();
  }

  it.each(['http', 'https'])('costs one time limit: the next request is sent on a new one (%s)', async (scheme) => {
    const server = await serveHttp(
      (_request, response) => setTimeout(() => response.end('ok'), 50),
      scheme === 'https' ? zoo.good : undefined,
    );
    const gateway = await serveForgetful(server.port);
    const url = `${scheme}://localhost:${gateway.port}/`;
    const transport = await open();
    // Two at once: the poller's and the reporter's.
    expect(await Promise.all([get(transport, url), get(transport, url)])).toEqual(['ok', 'ok']);
    expect(gateway.open()).toBe(2);
    gateway.forget();
    await expect(get(transport, url, 300)).rejects.toMatchObject({ kind: 'timeout', retryable: true });
    // The other idle one was as dead; it was not kept for the next request to run into.
    expect(await get(transport, url)).toBe('ok');
    await expect.poll(gateway.open, { timeout: 20_000 }).toBe(1);
    expect(gateway.connections()).toBe(3);
  });

  it('does so inside a tunnel, too', async () => {
    const server = await serveHttp((_request, response) => response.end('ok'), zoo.good);
    const proxy = await serveProxy();
    const gateway = await serveForgetful(proxy.port);
    const transport = await open({ env: { HTTPS_PROXY: `http://127.0.0.1:${gateway.port}` } });
    const url = `https://semaphore.test:${server.port}/`;
    expect(await get(transport, url)).toBe('ok');
    gateway.forget();
    await expect(get(transport, url, 300)).rejects.toMatchObject({ kind: 'timeout' });
    expect(await get(transport, url)).toBe('ok');
    expect(proxy.seen.length).toBe(2);
  });

  it.runIf(process.platform === 'linux')('is looked for by the kernel: TCP keep-alive is on', async () => {
    const { url, port } = await serveHttp((_request, response) => response.end('ok'));
    const transport = await open();
    await get(transport, url);
    const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    const ours = readFileSync('/proc/net/tcp', 'latin1')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , peer, state]) => peer?.endsWith(remote) && state === '01');
    // The sixth column begins with the timer that runs: 02 is that of keep-alive.
    expect(ours.map(([, , , , , timer]) => timer?.slice(0, 2))).toEqual(['02']);
  });

  it('is replaced when the server has closed it, whatever is sent but a registration', async () => {
    const taken: string[] = [];
    const { url } = await serveTcp((socket, count) => {
      let served = 0;
      socket.on('data', (chunk) => {
        served += 1;
        taken.push(chunk.toString().split(' ')[0] ?? '');
        if (count === 1 && served === 2) return socket.resetAndDestroy();
        return socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      });
    });
    const transport = await open();
    await get(transport, url);
    const request = { method: 'POST' as const, url, headers: {}, body: '{}', timeoutMs: 20_000, maxResponseBytes: 100 };
    // It may have been taken all the same; twice would make two runners.
    await expect(transport.request(request)).rejects.toMatchObject({ kind: 'network', retryable: true });
    expect(taken).toEqual(['GET', 'POST']);
  });
});
