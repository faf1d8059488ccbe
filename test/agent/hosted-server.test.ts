import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { UserError } from '../../src/lib/index.ts';
import { needs, toolPath } from '../support/tools.ts';
import { ask, startServing, token, until } from './hosted-client.ts';

/** Spec CI 3.1. */

it.each([
  ['GET', '/', 404],
  ['GET', '/nothing', 404],
  ['GET', '/jobs/x', 404],
  ['GET', '/jobs/x/log/more', 404],
  ['POST', '/is_alive', 405],
  ['HEAD', '/is_alive', 405],
  ['GET', '/jobs', 405],
  ['GET', '/jobs/', 405],
  ['DELETE', '/jobs/x/log', 405],
  ['GET', '/jobs/terminate', 405],
  ['GET', '/stop', 405],
])('answers %s %s with %i, without asking for a token', async (method, path, status) => {
  const { url } = await startServing();
  const answer = await ask(url, path, { method, authorization: null });
  expect(answer.status).toBe(status);
  expect(answer.body).toBe(status === 404 ? '404 page not found\n' : '');
  if (status === 404) expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
});

it.each([
  ['GET', '/is_alive/', '/is_alive'],
  ['GET', '//is_alive', '/is_alive'],
  ['GET', '/jobs/x/log/?start_from=3', '/jobs/x/log?start_from=3'],
  ['POST', '/jobs/', '/jobs'],
  ['POST', '/jobs/terminate/', '/jobs/terminate'],
  ['GET', '//jobs/../status', '/status'],
])('redirects %s %s to %s', async (method, path, location) => {
  const { url } = await startServing();
  const answer = await ask(url, path, { method });
  expect(answer).toMatchObject({ status: 301, headers: { location } });
});

it('speaks TLS 1.2 and 1.3, nothing older, and HTTP/1.1', async () => {
  const { port } = await startServing();
  const tls = { port, host: '127.0.0.1', rejectUnauthorized: false };
  const version = (versions: object): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect({ ...tls, ...versions, ALPNProtocols: ['h2', 'http/1.1'] }, () => {
        resolve(`${socket.getProtocol() ?? ''} ${String(socket.alpnProtocol)}`);
        socket.destroy();
      });
      socket.once('error', () => resolve('refused'));
    });
  expect(await version({ maxVersion: 'TLSv1.2' })).toBe('TLSv1.2 http/1.1');
  expect(await version({ minVersion: 'TLSv1.3' })).toBe('TLSv1.3 http/1.1');
  expect(await version({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' })).toBe('refused');
});

/** Resolves with what came until the server closed, and after how long, milliseconds. */
function talk(port: number, data: string): Promise<{ received: string; ms: number }> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      const startedMs = Date.now();
      let received = '';
      socket.on('data', (chunk) => (received += chunk.toString('latin1')));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve({ received, ms: Date.now() - startedMs }));
      socket.write(data);
    });
  });
}

it(
  'does not wait for ever for headers or a body, and says how long for the next request',
  { timeout: 120_000 },
  async () => {
    const { url, port } = await startServing();
    const head = `POST /jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-length: 10\r\n\r\n`;
    const [headers, body] = await Promise.all([talk(port, 'GET /is_alive HT'), talk(port, `${head}abc`)]);
    expect(headers.received).toContain('408 Request Timeout');
    expect(headers.ms).toBeGreaterThan(4000);
    expect(body.received).toContain('408 Request Timeout');
    expect(body.ms).toBeGreaterThan(9000);
    const { headers: kept } = await ask(url, '/is_alive', { headers: { connection: 'keep-alive' } });
    expect(kept['keep-alive']).toBe('timeout=30');
  },
);

it('tells what a client like curl expects to see', async () => {
  if (!needs('curl')) return;
  const { url } = await startServing();
  const { stdout } = await promisify(execFile)(toolPath('curl') ?? '', ['-skiL', '--http2', `${url}/is_alive/`]);
  expect(stdout).toMatch(/301 Moved Permanently[\s\S]*200 OK[\s\S]*yes$/);
});

it('notes each request in the common log format, and no token', async () => {
  const { url, access } = await startServing();
  await ask(url, '/status?a=b');
  await ask(url, '/nothing');
  await ask(url, '/jobs/x/log');
  await until(() => access.length === 3, 'three lines');
  const [status, nothing, log] = access;
  expect(status).toMatch(
    /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/status\?a=b HTTP\/1\.1" 200 46$/,
  );
  expect(nothing).toContain('"GET /nothing HTTP/1.1" 404 19');
  expect(log).toContain('"GET /jobs/x/log HTTP/1.1" 404 35');
  expect(access.join('\n')).not.toContain('eyJ');
});

it('says why it cannot listen', async () => {
  const other = createServer();
  onTestFinished(() => void other.close());
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const address = other.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const starting = startServing({ port });
  await expect(starting).rejects.toThrow(`cannot listen on 127.0.0.1:${port}: the port is in use`);
  await expect(starting).rejects.toBeInstanceOf(UserError);
  await expect(startServing({ host: '192.0.2.1' })).rejects.toThrow(/this machine has no such address/);
});
