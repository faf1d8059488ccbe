import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  createRouter,
  createTransport,
  type HttpResponse,
  json,
  listen,
  type TransportOptions,
} from '../../src/http/index.ts';
import { ConfigError, RemoteError } from '../../src/lib/index.ts';
import { needs } from '../support/tools.ts';
import { type Certificates, type Identity, makeCertificates } from './certificates.ts';
import { closeServers, serveHttp, serveTcp } from './servers.ts';

describe.runIf(needs('openssl'))('TLS', () => {
  let directory: string;
  let zoo: Certificates;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'semaphore-tls-'));
    zoo = makeCertificates(directory);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  afterEach(closeServers);

  async function get(url: string, options: Partial<TransportOptions> = {}): Promise<HttpResponse> {
    const transport = await createTransport({ env: {}, ...options });
    try {
      return await transport.request({ method: 'GET', url, headers: {}, timeoutMs: 5000, maxResponseBytes: 1000 });
    } finally {
      transport.close();
    }
  }

  async function refused(url: string, options: Partial<TransportOptions> = {}): Promise<RemoteError> {
    const error: unknown = await get(url, options).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof RemoteError)) throw new Error('no RemoteError', { cause: error });
    return error;
  }

  async function serve(identity: Identity): Promise<string> {
    const { url } = await serveHttp((_request, response) => response.end('hello'), identity);
    return url;
  }

  it('accepts a server of the authority in the file, one of the system’s, and one of NODE_EXTRA_CA_CERTS', async () => {
    const mine = await serve(zoo.good);
    const others = await serve(zoo.other);
    expect((await get(mine, { caFile: zoo.caFile })).status).toBe(200);
    const sources = [{ SSL_CERT_FILE: zoo.otherCaFile }, { NODE_EXTRA_CA_CERTS: zoo.otherCaFile }];
    for (const env of sources) {
      const transport = { caFile: zoo.caFile, env };
      expect((await get(mine, transport)).status).toBe(200);
      expect((await get(others, transport)).status).toBe(200);
    }
    expect((await get(mine, { env: { SSL_CERT_FILE: zoo.caFile } })).status).toBe(200);
  });

  it('keeps connections alive', async () => {
    const { url, connections } = await serveHttp((_request, response) => response.end(), zoo.good);
    const transport = await createTransport({ env: {}, caFile: zoo.caFile });
    for (let round = 0; round < 4; round += 1) {
      await transport.request({ method: 'GET', url, headers: {}, timeoutMs: 5000, maxResponseBytes: 10 });
    }
    transport.close();
    expect(connections()).toBe(1);
  });

  it('passes over files of the system that are not there', async () => {
    const url = await serve(zoo.good);
    const env = { SSL_CERT_FILE: '/nowhere.pem', NODE_EXTRA_CA_CERTS: '/nowhere.pem' };
    expect((await get(url, { env, caFile: zoo.caFile })).status).toBe(200);
  });

  it('refuses an authority that is not known, and says how to make it known', async () => {
    const error = await refused(await serve(zoo.good));
    expect(error).toMatchObject({ kind: 'tls', retryable: false });
    expect(error.message).toMatch(
      /^the certificate of localhost:\d+ was signed by an authority that is not known here$/,
    );
    expect(error.hint).toContain('runner.connection.server_ca_cert_file');
    expect((await refused(await serve(zoo.good), { caFile: zoo.otherCaFile })).message).toContain('not known here');
  });

  it('refuses a chain with a hole', async () => {
    const error = await refused(await serve(zoo.withoutIntermediate), { caFile: zoo.caFile });
    expect(error.message).toContain('not known here');
    expect(error.hint).toContain('intermediate');
  });

  it('refuses a self-signed certificate, unless it is the one in the file', async () => {
    const url = await serve(zoo.selfSigned);
    const error = await refused(url);
    expect(error).toMatchObject({ kind: 'tls', message: expect.stringMatching(/is self-signed$/) });
    expect((await get(url, { caFile: zoo.selfSignedFile })).status).toBe(200);
  });

  it('refuses an expired certificate', async () => {
    const error = await refused(await serve(zoo.expired), { caFile: zoo.caFile });
    expect(error).toMatchObject({
      kind: 'tls',
      message: expect.stringContaining('has expired'),
      hint: expect.stringContaining('clock'),
    });
  });

  it('refuses a certificate that is not valid yet', async () => {
    expect(await refused(await serve(zoo.notYet), { caFile: zoo.caFile })).toMatchObject({
      kind: 'tls',
      retryable: true,
      message: expect.stringMatching(/^the certificate of localhost:\d+, or of its authority, is not valid yet$/),
      hint: 'Check the clock of this machine.',
    });
  });

  it('refuses a certificate for another name, and tells which', async () => {
    const error = await refused(await serve(zoo.wrongName), { caFile: zoo.caFile });
    expect(error).toMatchObject({ kind: 'tls', retryable: false });
    expect(error.message).toMatch(/^the certificate of localhost:\d+ is for another name: another\.test$/);
  });

  it('accepts all of them when told not to look', async () => {
    for (const identity of [zoo.good, zoo.expired, zoo.wrongName, zoo.selfSigned]) {
      expect((await get(await serve(identity), { skipTlsVerify: true })).body.toString()).toBe('hello');
    }
  });

  it('tells https to a plain server and http to a TLS server apart', async () => {
    const plain = await serveHttp((_request, response) => response.end());
    expect(await refused(plain.url.replace('http:', 'https:'))).toMatchObject({
      kind: 'tls',
      message: expect.stringContaining('does not speak TLS'),
      hint: expect.stringContaining('http://'),
    });
    const secure = new URL(await serve(zoo.good));
    expect((await refused(`http://127.0.0.1:${secure.port}`)).hint).toContain('https://');
    // Others answer with a TLS alert instead of hanging up.
    const alert = await serveTcp((socket) => socket.on('data', () => socket.end(Buffer.from('15030100020246', 'hex'))));
    expect(await refused(alert.url)).toMatchObject({ kind: 'malformed', hint: expect.stringContaining('https://') });
  });

  it('is spoken by our own servers too', async () => {
    const router = createRouter();
    router.route('GET', '/', () => json('in'));
    const listener = await listen({ host: '127.0.0.1', port: 0, router, tls: zoo.good });
    expect(listener.url).toMatch(/^https:/);
    expect((await get(listener.url, { caFile: zoo.caFile })).body.toString()).toBe('"in"');
    await listener.close();
    const mixed = { ...zoo.good, key: zoo.other.key };
    await expect(listen({ host: '127.0.0.1', port: 0, router, tls: mixed })).rejects.toThrow(
      'certificate and its key cannot be used',
    );
  });

  it('explains a handshake that fails otherwise', async () => {
    const old = await serveHttp((_request, response) => response.end(), {
      ...zoo.good,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
    });
    const failed = await refused(old.url, { caFile: zoo.caFile });
    expect(failed.kind).toBe('tls');
    expect(failed.message).toMatch(/^the TLS handshake with localhost:\d+ failed: [a-z0-9 ]+$/i);
  });

  it('does not start with a CA file that cannot be used, and names the key', async () => {
    const empty = join(directory, 'empty.pem');
    writeFileSync(empty, 'nothing in here\n');
    const broken = join(directory, 'broken.pem');
    writeFileSync(broken, `${zoo.good.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`);
    const cases = [
      [join(directory, 'missing.pem'), 'it does not exist'],
      [directory, 'it is a directory'],
      [empty, 'holds no certificate'],
      [broken, 'certificate 2 of the CA file'],
    ] as const;
    for (const [caFile, text] of cases) {
      const error: unknown = await createTransport({ env: {}, caFile }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ConfigError);
      expect(error).toMatchObject({
        key: 'runner.connection.server_ca_cert_file',
        message: expect.stringContaining(text),
      });
      expect(error).toMatchObject({ message: expect.stringContaining(caFile) });
    }
    await expect(createTransport({ env: {}, caFile: empty, caFileKey: 'other.key' })).rejects.toMatchObject({
      key: 'other.key',
    });
  });
});
