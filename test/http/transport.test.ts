import { getEventListeners } from 'node:events';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createRouter,
  createTransport,
  type HttpRequest,
  type HttpTransport,
  json,
  listen,
} from '../../src/http/index.ts';
import { RemoteError } from '../../src/lib/index.ts';
import { closeServers, serveHttp, serveTcp } from './servers.ts';

const transports: HttpTransport[] = [];

async function open(env: Record<string, string> = {}): Promise<HttpTransport> {
  const transport = await createTransport({ env });
  transports.push(transport);
  return transport;
}

function ask(url: string, more: Partial<HttpRequest> = {}): HttpRequest {
  return { method: 'GET', url, headers: {}, timeoutMs: 5000, maxResponseBytes: 1_000_000, ...more };
}

async function failure(promise: Promise<unknown>): Promise<RemoteError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RemoteError)) throw new Error('no RemoteError', { cause: error });
  return error;
}

afterEach(async () => {
  for (const transport of transports.splice(0)) transport.close();
  await closeServers();
});

describe('an answer', () => {
  it('of any status is an answer, with its headers in lower case', async () => {
    const { url } = await serveHttp((request, response) => {
      response.writeHead(Number(request.url?.slice(1)), { 'X-One': 'a', 'Set-Cookie': ['b', 'c'] });
      response.end('body');
    });
    const transport = await open();
    for (const status of [200, 302, 401, 404, 500, 503]) {
      const response = await transport.request(ask(`${url}/${status}`));
      expect(response).toMatchObject({ status, headers: { 'x-one': 'a', 'set-cookie': 'b, c' } });
      expect(response.body.toString()).toBe('body');
    }
  });

  it('is decompressed', async () => {
    const text = 'hello '.repeat(1000);
    const { url } = await serveHttp((request, response) => {
      const encoding = request.url?.slice(1) ?? '';
      const encode = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync }[encoding];
      response.writeHead(200, { 'content-encoding': encoding });
      response.end(encode?.(text));
    });
    const transport = await open();
    for (const encoding of ['gzip', 'br', 'deflate']) {
      expect((await transport.request(ask(`${url}/${encoding}`))).body.toString()).toBe(text);
    }
  });

  it('that is too long is refused, also when it only becomes so by decompression', async () => {
    const { url } = await serveHttp((request, response) => {
      const large = Buffer.alloc(5_000_000, 'x');
      if (request.url === '/plain') return response.end(large);
      response.writeHead(200, { 'content-encoding': 'gzip' });
      return response.end(gzipSync(large));
    });
    const transport = await open();
    for (const path of ['/plain', '/bomb']) {
      expect(await failure(transport.request(ask(url + path)))).toMatchObject({
        kind: 'malformed',
        message: expect.stringContaining('more than 1000000 bytes'),
        endpoint: `GET ${url}${path}`,
      });
    }
  });

  it('that is damaged by its compression is malformed', async () => {
    const { url } = await serveHttp((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.end('this is not gzip');
    });
    expect(await failure((await open()).request(ask(url)))).toMatchObject({
      kind: 'malformed',
      message: expect.stringContaining('is damaged'),
    });
  });
});

describe('a request', () => {
  it('carries its body with a length, text or bytes, and none when there is none', async () => {
    const seen: unknown[] = [];
    const { url } = await serveHttp((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
        seen.push([request.method, Buffer.concat(chunks).toString(), length, coding]);
        response.end();
      });
    });
    const transport = await open();
    await transport.request(ask(url, { method: 'PUT', body: 'größe' }));
    await transport.request(ask(url, { method: 'POST', body: Buffer.from([65, 66]) }));
    await transport.request(ask(url, { method: 'DELETE' }));
    await transport.request(ask(url));

    expect(seen).toEqual([
      ['PUT', 'größe', '7', undefined],
      ['POST', 'AB', '2', undefined],
      ['DELETE', '', undefined, undefined],
      ['GET', '', undefined, undefined],
    ]);
  });

  it('may be as large as a progress report gets', async () => {
    const router = createRouter();
    router.route('PUT', '/', async (context) => json((await context.body()).length));
    const listener = await listen({ host: '127.0.0.1', port: 0, router });
    const body = Buffer.alloc(64 * 1024 * 1024, 'x');
    const response = await (await open()).request(ask(listener.url, { method: 'PUT', body, timeoutMs: 20_000 }));
    expect(response.body.toString()).toBe(String(body.length));
    await listener.close();
  });

  it('that is too large for the server gets to see the refusal', async () => {
    const router = createRouter({ maxBodyBytes: 1_000_000 });
    router.route('PUT', '/', async (context) => json((await context.body()).length));
    const listener = await listen({ host: '127.0.0.1', port: 0, router });
    const transport = await open();
    expect((await transport.request(ask(listener.url, { method: 'PUT', body: 'x'.repeat(3_000_000) }))).status).toBe(
      413,
    );
    expect((await transport.request(ask(listener.url, { method: 'PUT', body: 'x' }))).status).toBe(200);
    await listener.close();
  });

  it('ends with the reason of its signal', async () => {
    const { url } = await serveHttp(() => undefined);
    const transport = await open();
    const abort = new AbortController();
    const waiting = transport.request(ask(url, { signal: abort.signal }));
    setTimeout(() => abort.abort(new Error('enough')), 30);
    await expect(waiting).rejects.toThrow('enough');
    await expect(transport.request(ask(url, { signal: abort.signal }))).rejects.toThrow('enough');
  });

  it('leaves nothing behind on its signal', async () => {
    const { url } = await serveHttp((_request, response) => response.end());
    const transport = await open();
    const { signal } = new AbortController();
    for (let round = 0; round < 5; round += 1) await transport.request(ask(url, { signal }));
    await expect.poll(() => getEventListeners(signal, 'abort').length).toBe(0);
  });
});

describe('time', () => {
  it('is limited for the whole exchange: no answer, a slow header, a body that trickles', async () => {
    const { url } = await serveHttp((request, response) => {
      if (request.url === '/silent') return;
      response.writeHead(200, { 'content-length': 1000 });
      const drip = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(drip));
    });
    const transport = await open();
    for (const path of ['/silent', '/trickle']) {
      const began = performance.now();
      expect(await failure(transport.request(ask(url + path, { timeoutMs: 200 })))).toMatchObject({
        kind: 'timeout',
        retryable: true,
        message: `127.0.0.1:${new URL(url).port} did not answer within 0.2 s`,
      });
      expect(performance.now() - began).toBeGreaterThan(150);
    }
  });
});

describe('kept-alive connections', () => {
  it('are reused', async () => {
    const { url, connections } = await serveHttp((_request, response) => response.end('ok'));
    const transport = await open();
    for (let round = 0; round < 5; round += 1) {
      await transport.request(ask(url, round % 2 ? { method: 'PUT', body: '{}' } : {}));
    }
    expect(connections()).toBe(1);
  });

  it.each(['GET', 'PUT', 'DELETE'] as const)(
    'that the server closed just when %s was written are replaced without a word',
    async (method) => {
      const requests: string[] = [];
      const { url, connections } = await serveTcp((socket, count) => {
        let served = 0;
        socket.on('data', (chunk) => {
          requests.push(chunk.toString().split('\r\n')[0] ?? '');
          served += 1;
          // The first connection breaks on its second request, as if it had been closed while idle.
          if (count === 1 && served === 2) return socket.resetAndDestroy();
          return socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        });
      });
      const transport = await open();
      const request = ask(url, method === 'PUT' ? { method, body: '{}' } : { method });
      await transport.request(request);
      expect((await transport.request(request)).body.toString()).toBe('ok');
      expect(connections()).toBe(2);
      expect(requests.length).toBe(3);
    },
  );

  it('are not replaced a second time', async () => {
    const { url } = await serveTcp((socket, count) => {
      let served = 0;
      socket.on('data', () => {
        served += 1;
        if (count > 1 || served === 2) return socket.resetAndDestroy();
        return socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      });
    });
    const transport = await open();
    await transport.request(ask(url));
    expect(await failure(transport.request(ask(url)))).toMatchObject({ kind: 'network' });
  });

  it('are not replaced when an answer had begun, nor is a request on a new connection repeated', async () => {
    const { url, connections } = await serveTcp((socket, count) => {
      let served = 0;
      socket.on('data', () => {
        served += 1;
        if (count > 1) return socket.resetAndDestroy();
        if (served === 1) return socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        socket.write('HTTP/1.1 200 OK\r\ncontent-len');
        return setTimeout(() => socket.resetAndDestroy(), 30);
      });
    });
    const transport = await open();
    await transport.request(ask(url));
    expect(await failure(transport.request(ask(url)))).toMatchObject({ kind: 'network', retryable: true });
    expect(await failure(transport.request(ask(url)))).toMatchObject({ kind: 'network' });
    expect(connections()).toBe(2);
  });

  it('end with the transport', async () => {
    let closed = 0;
    const { url } = await serveHttp((request, response) => {
      request.socket.once('close', () => {
        closed += 1;
      });
      response.end();
    });
    const transport = await open();
    await transport.request(ask(url));
    transport.close();
    await expect.poll(() => closed, { timeout: 20_000 }).toBe(1);
  });
});

describe('failures', () => {
  it('to connect', async () => {
    const { url, port } = await serveTcp(() => undefined);
    await closeServers();
    expect(await failure((await open()).request(ask(`${url}/x?token=1`)))).toMatchObject({
      kind: 'network',
      retryable: true,
      message: `cannot connect to 127.0.0.1:${port}: the connection was refused`,
      hint: expect.stringContaining('host and port'),
      endpoint: `GET ${url}/x`,
    });
  });

  it('to resolve the name', async () => {
    expect(await failure((await open()).request(ask('http://user:secret@no-such-host.invalid/x')))).toMatchObject({
      kind: 'network',
      // The second where no DNS server can be reached.
      message: expect.stringMatching(
        /^cannot connect to no-such-host\.invalid:80: (there is no such host name|its name cannot be resolved at the moment)$/,
      ),
      hint: expect.stringContaining('DNS'),
      endpoint: 'GET http://no-such-host.invalid/x',
    });
  });

  it('because the connection was closed without an answer', async () => {
    for (const end of ['destroy', 'resetAndDestroy'] as const) {
      const { url } = await serveTcp((socket) => socket.on('data', () => socket[end]()));
      expect(await failure((await open()).request(ask(url)))).toMatchObject({
        kind: 'network',
        retryable: true,
        message: expect.stringContaining('closed the connection before its answer was complete'),
      });
    }
  });

  it('because the answer breaks off', async () => {
    const { url } = await serveTcp((socket) =>
      socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf')),
    );
    expect(await failure((await open()).request(ask(url)))).toMatchObject({ kind: 'network', retryable: true });
    const chunked = await serveTcp((socket) =>
      socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n')),
    );
    expect(await failure((await open()).request(ask(chunked.url)))).toMatchObject({ kind: 'network', retryable: true });
  });

  it('because something else than HTTP comes back', async () => {
    const { url } = await serveTcp((socket) => socket.on('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n')));
    expect(await failure((await open()).request(ask(url)))).toMatchObject({
      kind: 'malformed',
      message: expect.stringContaining('does not speak HTTP'),
      hint: expect.stringContaining('https://'),
    });
  });
});
