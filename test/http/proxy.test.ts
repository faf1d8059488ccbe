import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTransport, type HttpResponse, type TransportOptions } from '../../src/http/index.ts';
import { RemoteError } from '../../src/lib/index.ts';
import { needs } from '../support/tools.ts';
import { type Certificates, makeCertificates } from './certificates.ts';
import { closeServers, serveHttp, serveProxy, type TestServer } from './servers.ts';

describe.runIf(needs('openssl'))('a proxy', () => {
  let directory: string;
  let zoo: Certificates;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'semaphore-proxy-'));
    zoo = makeCertificates(directory);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  afterEach(closeServers);

  async function ask(
    urls: readonly string[],
    env: Record<string, string>,
    options: Partial<TransportOptions> & { timeoutMs?: number } = {},
  ): Promise<HttpResponse[]> {
    const transport = await createTransport({ env, caFile: zoo.caFile, ...options });
    try {
      const answers: HttpResponse[] = [];
      for (const url of urls) {
        const request = { method: 'PUT' as const, url, headers: { 'x-runner-token': 't' }, body: '{}' };
        answers.push(
          await transport.request({ ...request, timeoutMs: options.timeoutMs ?? 5000, maxResponseBytes: 1000 }),
        );
      }
      return answers;
    } finally {
      transport.close();
    }
  }

  async function refused(
    url: string,
    env: Record<string, string>,
    options: { timeoutMs?: number } = {},
  ): Promise<RemoteError> {
    const error: unknown = await ask([url], env, options).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof RemoteError)) throw new Error('no RemoteError', { cause: error });
    expect(`${error.message} ${error.hint} ${error.endpoint}`).not.toContain('s3cret');
    return error;
  }

  const plain = (): Promise<TestServer> =>
    serveHttp((request, response) => {
      request.resume();
      response.end(
        `${request.method} ${request.url} ${request.headers.host} ${request.headers['proxy-authorization'] ?? ''}`,
      );
    });
  const secure = (): Promise<TestServer> =>
    serveHttp((request, response) => {
      request.resume();
      response.end(
        `${request.method} ${request.url} ${request.headers.host} ${request.headers['proxy-authorization'] ?? ''}`,
      );
    }, zoo.good);

  it('gets plain http with the whole URL, not CONNECT, on one connection', async () => {
    const server = await plain();
    const proxy = await serveProxy();
    const url = `http://semaphore.test:${server.port}/api?x=1`;
    const answers = await ask([url, url], { HTTP_PROXY: proxy.url });
    expect(answers.map(({ body }) => body.toString().trim())).toEqual(
      Array.from({ length: 2 }, () => `PUT /api?x=1 semaphore.test:${server.port}`),
    );
    expect(proxy.seen).toEqual([`PUT ${url}`, `PUT ${url}`]);
    expect(proxy.connections()).toBe(1);
  });

  it('gets https through one tunnel for many requests', async () => {
    const server = await secure();
    const proxy = await serveProxy();
    const url = `https://semaphore.test:${server.port}/api`;
    const answers = await ask([url, url, url], { HTTPS_PROXY: proxy.url });
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(answers[0]?.body.toString().trim()).toBe(`PUT /api semaphore.test:${server.port}`);
    expect(proxy.seen).toEqual([`CONNECT semaphore.test:${server.port}`]);
  });

  it('is asked for IPv6 addresses in brackets', async () => {
    const [one, two] = [await plain(), await secure()];
    const proxy = await serveProxy();
    await ask([`http://[2001:db8::1]:${one.port}/`, `https://[2001:db8::1]:${two.port}/`], { ALL_PROXY: proxy.url });
    expect(proxy.seen).toEqual([`PUT http://[2001:db8::1]:${one.port}/`, `CONNECT [2001:db8::1]:${two.port}`]);
  });

  it('is itself reached by TLS when its URL says so', async () => {
    const proxy = await serveProxy({ tls: zoo.good });
    const [one, two] = [await plain(), await secure()];
    const env = { ALL_PROXY: proxy.url };
    await ask([`http://semaphore.test:${one.port}/`, `https://semaphore.test:${two.port}/`], env);
    expect(proxy.seen).toEqual([`PUT http://semaphore.test:${one.port}/`, `CONNECT semaphore.test:${two.port}`]);
    const strangers = await serveProxy({ tls: zoo.other });
    const error = await refused(`https://semaphore.test:${two.port}/`, { HTTPS_PROXY: strangers.url });
    expect(error.kind).toBe('tls');
  });

  it('checks the certificate of the server, not of the proxy', async () => {
    const server = await serveHttp((_request, response) => response.end(), zoo.wrongName);
    const proxy = await serveProxy();
    const error = await refused(`https://semaphore.test:${server.port}/`, { HTTPS_PROXY: proxy.url });
    expect(error.message).toBe(`the certificate of semaphore.test:${server.port} is for another name: another.test`);
  });

  it('is taken from either case of the variables, by scheme, or not at all', async () => {
    const server = await plain();
    const url = `http://semaphore.test:${server.port}/`;
    for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy']) {
      const proxy = await serveProxy();
      // Written without a scheme, as it often is.
      await ask([url], { [name]: proxy.url.replace('http://', ''), HTTPS_PROXY: 'http://127.0.0.1:1' });
      expect(proxy.seen.length).toBe(1);
    }
    const unused = await serveProxy();
    const direct = `http://127.0.0.1:${server.port}/`;
    await ask([direct], { HTTP_PROXY: unused.url });
    await ask([direct], { HTTP_PROXY: '', ALL_PROXY: '  ' });
    expect(unused.seen).toEqual([]);
    const bypassed = await refused(url, { HTTP_PROXY: unused.url, no_proxy: '.test' });
    expect(bypassed.message).toContain('cannot connect to semaphore.test');
    expect(unused.seen).toEqual([]);
  });

  it('gets its credentials, which never reach the server', async () => {
    const proxy = await serveProxy({ credentials: 'user:s3cret@1' });
    const [one, two] = [await plain(), await secure()];
    const env = { ALL_PROXY: proxy.url.replace('//', '//user:s3cret%401@') };
    const urls = [`http://semaphore.test:${one.port}/`, `https://semaphore.test:${two.port}/`];
    const answers = await ask(urls, env);
    expect(answers.map(({ body }) => body.toString())).toEqual([
      `PUT / semaphore.test:${one.port} `,
      `PUT / semaphore.test:${two.port} `,
    ]);
    for (const url of urls) {
      expect(await refused(url, { ALL_PROXY: proxy.url })).toMatchObject({
        kind: 'proxy',
        retryable: false,
        message: `the proxy localhost:${proxy.port} asks for credentials`,
        hint: expect.stringContaining('http://user:password@host:port'),
      });
      const wrong = await refused(url, { ALL_PROXY: proxy.url.replace('//', '//user:s3cret@') });
      expect(wrong.message).toBe(`the proxy localhost:${proxy.port} does not accept the credentials in its URL`);
    }
  });

  it('that refuses the way to the server is named', async () => {
    const proxy = await serveProxy({ refuse: 403 });
    expect(await refused('https://semaphore.test/', { HTTPS_PROXY: proxy.url })).toMatchObject({
      kind: 'proxy',
      retryable: false,
      message: `the proxy localhost:${proxy.port} refused the connection to semaphore.test:443 (403)`,
      hint: expect.stringContaining('NO_PROXY'),
    });
    const busy = await serveProxy({ refuse: 503 });
    expect(await refused('https://semaphore.test/', { HTTPS_PROXY: busy.url })).toMatchObject({
      kind: 'proxy',
      retryable: true,
    });
  });

  it('that is not there is named, not the server', async () => {
    const { url, port } = await serveProxy();
    await closeServers();
    for (const scheme of ['http', 'https']) {
      expect(await refused(`${scheme}://semaphore.test/`, { ALL_PROXY: url })).toMatchObject({
        kind: 'proxy',
        retryable: true,
        message: `cannot connect to the proxy localhost:${port}: the connection was refused`,
      });
    }
    expect(
      (await refused('https://semaphore.test/', { ALL_PROXY: 'http://no-such-proxy.invalid:3128' })).message,
    ).toMatch(
      /^cannot connect to the proxy no-such-proxy\.invalid:3128: (there is no such host name|its name cannot be resolved at the moment)$/,
    );
  });

  it('that does not answer runs into the time limit', async () => {
    const proxy = await serveProxy({ hang: true });
    for (const scheme of ['http', 'https']) {
      expect(await refused(`${scheme}://semaphore.test/`, { ALL_PROXY: proxy.url }, { timeoutMs: 150 })).toMatchObject({
        kind: 'timeout',
        retryable: true,
      });
    }
  });

  it.each([
    ['socks5://localhost:1080', 'names a socks5:// proxy, which is not supported'],
    ['http://[bad', 'is not a URL'],
  ])('that is %s is refused, and the variable named', async (value, text) => {
    expect(await refused('https://semaphore.test/', { https_proxy: value })).toMatchObject({
      kind: 'proxy',
      retryable: false,
      message: `the variable https_proxy ${text}`,
      hint: expect.stringContaining('NO_PROXY'),
    });
  });
});
