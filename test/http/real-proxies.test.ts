import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createTransport } from '../../src/http/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs, toolPath } from '../support/tools.ts';
import { type Certificates, makeCertificates } from './certificates.ts';
import { canConnect, closeServers, freePort, serveHttp, type TestServer } from './servers.ts';

/** Proxies as they are really used, beside those of our own in `proxy.test.ts`. */

interface Proxy {
  /** Without scheme and credentials. */
  host: string;
  port: number;
  log: () => string;
}

async function run(tool: string, args: readonly string[], port: number, log: () => string): Promise<Proxy> {
  const child = spawn(toolPath(tool) ?? '', args, { stdio: ['ignore', 'ignore', 'ignore'] });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null) await new Promise((resolve) => child.once('close', resolve));
  });
  await expect.poll(() => canConnect(port), { timeout: 30_000 }).toBe(true);
  return { host: `127.0.0.1:${port}`, port, log };
}

function configFile(lines: readonly string[]): { file: string; directory: string } {
  const directory = tempDir();
  // Started by root they become somebody else.
  chmodSync(directory, 0o777);
  const file = join(directory, 'proxy.conf');
  writeFileSync(file, `${lines.map((line) => line.replaceAll('<dir>', directory)).join('\n')}\n`);
  return { file, directory };
}

async function tinyproxy(...more: string[]): Promise<Proxy> {
  const port = await freePort();
  const lines = [`Port ${port}`, 'Listen 127.0.0.1', 'Timeout 60', 'LogFile "<dir>/log"', 'LogLevel Connect', ...more];
  const { file, directory } = configFile(lines);
  return await run('tinyproxy', ['-d', '-c', file], port, () => readFileSync(join(directory, 'log'), 'utf8'));
}

async function squid(...rules: string[]): Promise<Proxy> {
  const port = await freePort();
  const own = ['cache deny all', 'pid_filename none', 'pinger_enable off', 'shutdown_lifetime 0 seconds'];
  const logs = ['access_log stdio:<dir>/log', 'cache_log <dir>/cache.log', 'coredump_dir <dir>'];
  const { file, directory } = configFile([`http_port 127.0.0.1:${port}`, ...own, ...logs, ...rules]);
  return await run('squid', ['-N', '-f', file], port, () => readFileSync(join(directory, 'log'), 'utf8'));
}

const proxies = {
  tinyproxy: { open: () => tinyproxy(), closed: () => tinyproxy('Allow 192.0.2.1') },
  squid: { open: () => squid('http_access allow all'), closed: () => squid('http_access deny all') },
} as const;

describe.each(Object.keys(proxies) as (keyof typeof proxies)[])('%s', (name) => {
  // Squid comes with a service that listens, so `npm test` does not install it; where it is, it is tried.
  const usable = (name === 'squid' ? toolPath(name) !== undefined : needs(name)) && needs('openssl');
  let directory: string;
  let zoo: Certificates;

  beforeAll(() => {
    if (!usable) return;
    directory = mkdtempSync(join(tmpdir(), 'semaphore-proxies-'));
    zoo = makeCertificates(directory);
  });
  afterAll(() => usable && rmSync(directory, { recursive: true, force: true }));
  afterEach(closeServers);

  const listener: Parameters<typeof serveHttp>[0] = (request, response) => {
    request.resume();
    request.on('end', () => response.end(`${request.method} ${request.headers['proxy-authorization'] ?? 'no'}`));
  };

  async function put(url: string, env: Record<string, string>): Promise<string> {
    const transport = await createTransport({ env, caFile: zoo.caFile });
    try {
      const request = { method: 'PUT' as const, url, headers: {}, body: 'x'.repeat(300_000) };
      const answer = await transport.request({ ...request, timeoutMs: 30_000, maxResponseBytes: 10_000 });
      return `${answer.status} ${answer.body.toString()}`;
    } finally {
      transport.close();
    }
  }

  /** An address that is this machine, but does not look as if it were, so that the proxy is asked. */
  const through = (server: TestServer, scheme: string): string => `${scheme}://0.0.0.0:${server.port}/api`;

  it.runIf(usable)('carries http and https', async () => {
    const proxy = await proxies[name].open();
    const env = { ALL_PROXY: `http://${proxy.host}` };
    expect(await put(through(await serveHttp(listener), 'http'), env)).toBe('200 PUT no');
    expect(await put(through(await serveHttp(listener, zoo.good), 'https'), env)).toBe('200 PUT no');
    await expect
      .poll(proxy.log, { timeout: 20_000 })
      .toMatch(/PUT http:[^]*CONNECT 0\.0\.0\.0|CONNECT 0\.0\.0\.0[^]*PUT http:/);
    // Without it the server would have been asked directly.
    await expect(put('http://192.0.2.1:9/', { ...env, NO_PROXY: '192.0.2.0/24' })).rejects.not.toMatchObject({
      kind: 'proxy',
    });
  });

  it.runIf(usable)('that cannot reach the server, or may not, is told apart from the server', async () => {
    const proxy = await proxies[name].open();
    const gone = await freePort();
    await expect(put(`https://0.0.0.0:${gone}/`, { HTTPS_PROXY: proxy.host })).rejects.toMatchObject({
      kind: 'proxy',
      retryable: true,
      message: expect.stringMatching(`^the proxy ${proxy.host} could not reach 0.0.0.0:${gone} \\(50\\d\\)$`),
    });
    const closed = await proxies[name].closed();
    await expect(put(`https://0.0.0.0:${gone}/`, { HTTPS_PROXY: closed.host })).rejects.toMatchObject({
      kind: 'proxy',
      retryable: false,
      message: `the proxy ${closed.host} refused the connection to 0.0.0.0:${gone} (403)`,
    });
  });

  it.runIf(usable && name === 'squid')('says so for plain http, too', async () => {
    const proxy = await proxies.squid.open();
    const gone = await freePort();
    await expect(put(`http://0.0.0.0:${gone}/`, { HTTP_PROXY: proxy.host })).rejects.toMatchObject({
      kind: 'proxy',
      message: expect.stringMatching(`^the proxy ${proxy.host} could not reach 0.0.0.0:${gone} \\(50\\d\\)$`),
    });
  });

  it.runIf(usable && name === 'tinyproxy')(
    'gets its credentials, asks for them, and keeps them from the server',
    async () => {
      const proxy = await tinyproxy('BasicAuth user s3cret');
      const [plain, secure] = [await serveHttp(listener), await serveHttp(listener, zoo.good)];
      for (const url of [through(plain, 'http'), through(secure, 'https')]) {
        expect(await put(url, { ALL_PROXY: `http://user:s3cret@${proxy.host}` })).toBe('200 PUT no');
        const missing: unknown = await put(url, { ALL_PROXY: proxy.host }).catch((error: unknown) => error);
        expect(missing).toMatchObject({ kind: 'proxy', message: `the proxy ${proxy.host} asks for credentials` });
        const wrong: unknown = await put(url, { ALL_PROXY: `user:wr0ng-s3cret@${proxy.host}` }).catch(
          (e: unknown) => e,
        );
        expect(wrong).toMatchObject({
          kind: 'proxy',
          message: `the proxy ${proxy.host} does not accept the credentials in its URL`,
        });
        for (const error of [missing, wrong]) expect(String(Object.values(error as object))).not.toContain('s3cret');
      }
    },
  );
});
