import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import {
  bearerToken,
  createRouter,
  json,
  listen,
  type Listener,
  noContent,
  problem,
  RefusedRequest,
  type Router,
  type RouterOptions,
  text,
} from '../../src/http/index.ts';
import { UserError } from '../../src/lib/index.ts';

const listeners: Listener[] = [];

async function serve(options: RouterOptions, build: (router: Router) => void): Promise<string> {
  const router = createRouter(options);
  build(router);
  const listener = await listen({ host: '127.0.0.1', port: 0, router, closeGraceMs: 200 });
  listeners.push(listener);
  return listener.url;
}

afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.close()));
});

async function read(url: string, init?: RequestInit): Promise<{ status: number; body: unknown; headers: Headers }> {
  const response = await fetch(url, init);
  const body = await response.text();
  const isJson = response.headers.get('content-type') === 'application/json';
  return { status: response.status, body: isJson && body ? JSON.parse(body) : body, headers: response.headers };
}

describe('routes', () => {
  it('match patterns, prefer literal segments, and decode parameters and query', async () => {
    const url = await serve({}, (router) => {
      router.route('GET', '/api/project/:pid/tasks/:id', ({ params, query }) => json({ params, q: query.get('q') }));
      router.route('GET', '/api/project/:pid/tasks/last', () => json('last'));
    });
    expect((await read(`${url}/api/project/7/tasks/a%2Fb?q=x%20y`)).body).toEqual({
      params: { pid: '7', id: 'a/b' },
      q: 'x y',
    });
    expect((await read(`${url}/api/project/7/tasks/last`)).body).toBe('last');
  });

  it('ignore repeated and trailing slashes', async () => {
    const url = await serve({}, (router) => router.route('GET', '/api/internal/runners', ({ path }) => json(path)));
    for (const path of ['/api/internal/runners', '//api/internal/runners', '/api//internal/runners/']) {
      expect(await read(url + path)).toMatchObject({ status: 200, body: '/api/internal/runners' });
    }
  });

  it('answer an unknown path with 404 and an unknown method with 405 and Allow, both as JSON', async () => {
    const url = await serve({}, (router) => {
      router.route('GET', '/a', () => json(1));
      router.route('POST', '/a', () => json(1));
    });
    expect(await read(`${url}/b`)).toMatchObject({ status: 404, body: { error: 'Not found' } });
    const refused = await read(`${url}/a`, { method: 'DELETE' });
    expect(refused).toMatchObject({ status: 405, body: { error: expect.stringContaining('GET, HEAD, POST') } });
    expect(refused.headers.get('allow')).toBe('GET, HEAD, POST');
    expect((await read(`${url}/%zz`)).status).toBe(400);
  });

  it('answer HEAD like GET without the body', async () => {
    const url = await serve({}, (router) => {
      router.route('GET', '/a', () => text('hello'));
      router.route('GET', '/stream', () => text(Readable.from(['a', 'b'])));
    });
    const head = await read(`${url}/a`, { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, body: '' });
    expect(head.headers.get('content-length')).toBe('5');
    expect(await read(`${url}/stream`, { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });

  it('send streams, texts and nothing', async () => {
    const url = await serve({}, (router) => {
      router.route('GET', '/stream', () => text(Readable.from(['a', 'b'])));
      router.route('DELETE', '/it', () => noContent());
    });
    expect((await read(`${url}/stream`)).body).toBe('ab');
    expect(await read(`${url}/it`, { method: 'DELETE' })).toMatchObject({ status: 204, body: '' });
  });
});

describe('errors', () => {
  it('become JSON without a stack, and only unexpected ones are reported', async () => {
    const seen: unknown[] = [];
    const url = await serve({ onError: (error, context) => seen.push([String(error), context.path]) }, (router) => {
      router.route('GET', '/bug', () => {
        throw new TypeError('secret inside');
      });
      router.route('GET', '/user', () => {
        throw new UserError('name is missing');
      });
      router.route('GET', '/refused', () => {
        throw new RefusedRequest(409, 'already running');
      });
    });
    expect(await read(`${url}/bug?token=x`)).toMatchObject({ status: 500, body: { error: 'Unexpected error' } });
    expect(await read(`${url}/user`)).toMatchObject({ status: 400, body: { error: 'name is missing' } });
    expect(await read(`${url}/refused`)).toMatchObject({ status: 409, body: { error: 'already running' } });
    expect(seen).toEqual([['TypeError: secret inside', '/bug']]);
  });

  it('of a streamed body are reported and break the connection', async () => {
    const seen: string[] = [];
    const url = await serve({ onError: (error) => seen.push(String(error)) }, (router) => {
      router.route('GET', '/stream', () =>
        text(
          new Readable({
            read() {
              this.push('x');
              setTimeout(() => this.destroy(new Error('disk gone')), 20);
            },
          }),
        ),
      );
    });
    await expect(read(`${url}/stream`)).rejects.toThrow(/terminated|fetch failed/);
    expect(seen).toEqual(['Error: disk gone']);
  });
});

describe('bodies', () => {
  const echo = (router: Router): void => {
    router.route('PUT', '/size', async (context) => json((await context.body()).length));
    router.route('PUT', '/json', async (context) => json({ got: await context.json() }));
    router.route('PUT', '/small', async (context) => json((await context.body()).length), { maxBodyBytes: 10 });
    router.route('PUT', '/unread', () => json('ignored'));
  };

  it('of 64 MiB are accepted', async () => {
    const url = await serve({}, echo);
    const body = Buffer.alloc(64 * 1024 * 1024, 97);
    expect(await read(`${url}/size`, { method: 'PUT', body })).toMatchObject({ status: 200, body: body.length });
  });

  it('are JSON whatever the content type, undefined when empty, and 400 when they cannot be parsed', async () => {
    const url = await serve({}, echo);
    expect((await read(`${url}/json`, { method: 'PUT', body: '{"a":1}' })).body).toEqual({ got: { a: 1 } });
    expect((await read(`${url}/json`, { method: 'PUT' })).body).toEqual({});
    expect(await read(`${url}/json`, { method: 'PUT', body: '{"tok' })).toMatchObject({
      status: 400,
      body: { error: 'Invalid format' },
    });
  });

  it('that are too large get 413, announced or not, and the client can read it while it is still writing', async () => {
    const url = await serve({ maxBodyBytes: 2_000_000 }, echo);
    const large = Buffer.alloc(7_000_000);
    expect((await read(`${url}/size`, { method: 'PUT', body: large })).status).toBe(413);
    expect(await chunked(`${url}/size`, large)).toBe(413);
    expect((await read(`${url}/small`, { method: 'PUT', body: 'x'.repeat(11) })).status).toBe(413);
    expect(await chunked(`${url}/size`, Buffer.alloc(1_500_000))).toBe(200);
  });

  it('may be left unread without harm to the next request on the connection', async () => {
    const url = await serve({}, echo);
    for (let round = 0; round < 3; round += 1) {
      expect((await read(`${url}/unread`, { method: 'PUT', body: Buffer.alloc(1_000_000) })).body).toBe('ignored');
    }
  });

  it('that break off reach the handler as a refusal, not as a crash', async () => {
    const seen: string[] = [];
    const url = await serve({}, (router) => {
      router.route('PUT', '/it', async (context) => {
        setImmediate(() => request.destroy());
        await context.body().catch((error: unknown) => {
          seen.push(String(error));
          throw error;
        });
        return noContent();
      });
    });
    const request = httpRequest(`${url}/it`, { method: 'PUT', headers: { 'content-length': 100 } });
    request.on('error', () => undefined);
    request.write('half');
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual(['RefusedRequest: the request body broke off']);
  });
});

function chunked(url: string, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: 'PUT', headers: { 'transfer-encoding': 'chunked' } }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('a peer that leaves', () => {
  it('before the body is asked for does not leave the handler waiting', async () => {
    const seen: string[] = [];
    const url = await serve({}, (router) => {
      router.route('PUT', '/it', async (context) => {
        request.destroy();
        await new Promise((resolve) => setTimeout(resolve, 120));
        await context.body().catch((error: unknown) => seen.push(String(error)));
        return noContent();
      });
    });
    const request = httpRequest(`${url}/it`, { method: 'PUT', headers: { 'content-length': 100 } });
    request.on('error', () => undefined);
    request.write('half');
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual(['RefusedRequest: the request body broke off']);
  });

  it('in the middle of a stream is not reported as an error', async () => {
    const seen: unknown[] = [];
    let destroyed = false;
    const url = await serve({ onError: (error) => seen.push(error) }, (router) => {
      router.route('GET', '/stream', () =>
        text(
          new Readable({
            read() {
              setTimeout(() => this.push('x'.repeat(1000)), 5);
            },
            destroy(error, callback) {
              destroyed = true;
              callback(error);
            },
          }),
        ),
      );
    });
    const request = httpRequest(`${url}/stream`, (response) => response.once('data', () => request.destroy()));
    request.on('error', () => undefined);
    request.end();
    await expect.poll(() => destroyed, { timeout: 20_000 }).toBe(true);
    expect(seen).toEqual([]);
  });
});

describe('the guard', () => {
  it('is asked before the body is read, and a route may replace or drop it', async () => {
    const url = await serve(
      { guard: ({ headers }) => (bearerToken(headers) === 't0k' ? undefined : problem(401, 'Invalid token')) },
      (router) => {
        router.route('POST', '/closed', () => json('in'));
        router.route('GET', '/open', () => json('in'), { guard: null });
        router.route('GET', '/other', () => json('in'), { guard: () => problem(403, 'no') });
      },
    );
    expect(await read(`${url}/closed`, { method: 'POST', body: 'x' })).toMatchObject({
      status: 401,
      body: { error: 'Invalid token' },
    });
    const headers = { authorization: 'bearer t0k' };
    expect((await read(`${url}/closed`, { method: 'POST', headers })).body).toBe('in');
    expect((await read(`${url}/open`)).status).toBe(200);
    expect((await read(`${url}/other`, { headers })).status).toBe(403);
  });
});

describe('listen', () => {
  it('says who has the port', async () => {
    const url = new URL(await serve({}, () => undefined));
    const again = listen({ host: '127.0.0.1', port: Number(url.port), router: createRouter() });
    await expect(again).rejects.toMatchObject({
      name: 'UserError',
      message: `cannot listen on 127.0.0.1:${url.port}: the port is in use`,
      hint: expect.stringContaining('another port'),
    });
  });

  it('closes idle keep-alive connections at once and lets a running request end', async () => {
    const router = createRouter();
    router.route('GET', '/quick', () => json(1));
    router.route('GET', '/slow', async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return json('done');
    });
    const listener = await listen({ host: '127.0.0.1', port: 0, router });
    await read(`${listener.url}/quick`);
    const slow = read(`${listener.url}/slow`);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const closed = listener.close();
    expect((await slow).body).toBe('done');
    await closed;
    await listener.close();
    await expect(fetch(`${listener.url}/quick`)).rejects.toThrow('fetch failed');
  });

  it('does not wait longer than the grace time for a request that hangs', async () => {
    const router = createRouter();
    router.route('GET', '/hang', () => new Promise(() => undefined));
    const listener = await listen({ host: '127.0.0.1', port: 0, router, closeGraceMs: 100 });
    const hanging = fetch(`${listener.url}/hang`);
    hanging.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await listener.close();
    await expect(hanging).rejects.toThrow('fetch failed');
  });

  it('shows loopback when it listens on every address', async () => {
    const listener = await listen({ host: '::', port: 0, router: createRouter() }).catch(() => undefined);
    if (listener) {
      expect(listener.url).toBe(`http://[::1]:${listener.port}`);
      await listener.close();
    }
  });
});
