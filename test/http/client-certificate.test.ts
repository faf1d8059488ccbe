import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  type ClientCertificateOptions,
  createTransport,
  type HttpTransport,
  type TransportOptions,
} from '../../src/http/index.ts';
import { ConfigError, RemoteError } from '../../src/lib/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs, toolPath } from '../support/tools.ts';
import { type Certificates, type IdentityFiles, makeCertificates } from './certificates.ts';
import { canConnect, closeServers, freePort, serveHttp, serveProxy, type TestServer } from './servers.ts';

describe.runIf(needs('openssl'))('a client certificate', () => {
  let directory: string;
  let zoo: Certificates;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'semaphore-mtls-'));
    zoo = makeCertificates(directory);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  afterEach(closeServers);

  /** Answers with the name in the client's certificate. */
  function serve(options: ServerOptions = {}): Promise<TestServer> {
    const tls = { ...zoo.good, ca: readFileSync(zoo.caFile), requestCert: true, rejectUnauthorized: true, ...options };
    return serveHttp((request, response) => {
      request.resume();
      response.end(JSON.stringify((request.socket as TLSSocket).getPeerCertificate().subject?.CN));
    }, tls);
  }

  function files({ certFile, keyFile }: IdentityFiles): ClientCertificateOptions {
    return { certFile, keyFile };
  }

  async function open(options: Partial<TransportOptions> = {}): Promise<HttpTransport> {
    const transport = await createTransport({ env: {}, caFile: zoo.caFile, ...options });
    onTestFinished(() => transport.close());
    return transport;
  }

  async function get(transport: HttpTransport, url: string): Promise<string> {
    const request = { method: 'PUT' as const, url, headers: {}, body: '{}', timeoutMs: 10_000, maxResponseBytes: 1000 };
    return (await transport.request(request)).body.toString();
  }

  async function refused(url: string, clientCertificate?: ClientCertificateOptions): Promise<RemoteError> {
    const error: unknown = await get(await open({ clientCertificate }), url).catch((reason: unknown) => reason);
    if (!(error instanceof RemoteError)) throw new Error('no RemoteError', { cause: error });
    return error;
  }

  it('is shown to a server that asks, directly and through a proxy', async () => {
    const { url, port } = await serve();
    const clientCertificate = files(zoo.client);
    expect(await get(await open({ clientCertificate }), url)).toBe('"client"');
    const proxy = await serveProxy();
    const env = { HTTPS_PROXY: proxy.url };
    expect(await get(await open({ clientCertificate, env }), `https://semaphore.test:${port}/`)).toBe('"client"');
    expect(proxy.seen).toEqual([`CONNECT semaphore.test:${port}`]);
  });

  it('may be in one file with its key, and the key may be encrypted, with its passphrase in a file or given', async () => {
    const { url } = await serve();
    const { certFile } = zoo.client;
    const both = join(tempDir(), 'both.pem');
    writeFileSync(both, zoo.client.cert + zoo.client.key);
    const passphraseFile = join(tempDir(), 'passphrase');
    writeFileSync(passphraseFile, 's3cret phrase\n');
    const encrypted = { certFile, keyFile: zoo.encryptedClientKey };
    for (const given of [
      { certFile: both },
      { ...encrypted, passphraseFile },
      { ...encrypted, passphrase: 's3cret phrase' },
    ]) {
      expect(await get(await open({ clientCertificate: given }), url)).toBe('"client"');
    }
  });

  /** A server that is as strict as OpenSSL can be; Node's own says nothing and hangs up. */
  async function strict(version: '-tls1_2' | '-tls1_3'): Promise<string> {
    const port = await freePort();
    const own = ['-cert', join(directory, 'good.pem'), '-key', join(directory, 'good.key'), '-CAfile', zoo.caFile];
    const args = [
      's_server',
      '-accept',
      `127.0.0.1:${port}`,
      ...own,
      '-Verify',
      '1',
      '-verify_return_error',
      '-www',
      version,
    ];
    const server = spawn(toolPath('openssl') ?? '', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void server.kill('SIGKILL'));
    // It says ACCEPT when it listens.
    await once(server.stdout, 'data');
    await expect.poll(() => canConnect(port), { timeout: 20_000 }).toBe(true);
    return `https://localhost:${port}/`;
  }

  it.each(['-tls1_2', '-tls1_3'] as const)(
    'that is missing is named as what the server asks for (%s)',
    async (version) => {
      const error = await refused(await strict(version));
      expect(error).toMatchObject({ kind: 'tls', retryable: false });
      expect(error.message).toMatch(
        version === '-tls1_3'
          ? /^localhost:\d+ asks for a client certificate$/
          : /^localhost:\d+ refused the TLS handshake; it may ask for a client certificate$/,
      );
      expect(error.hint).toContain('runner.connection.client_cert_file');
    },
  );

  it('that is missing is hinted at when the server hangs up without a word', async () => {
    const { url } = await serve();
    expect((await refused(url)).hint).toContain('runner.connection.client_cert_file');
  });

  it.each(['-tls1_2', '-tls1_3'] as const)('that is refused is named, with the reason (%s)', async (version) => {
    const url = await strict(version);
    for (const [identity, why] of [
      [zoo.otherClient, 'it does not know the authority'],
      [zoo.expiredClient, 'it has expired'],
    ] as const) {
      expect(await refused(url, files(identity))).toMatchObject({
        kind: 'tls',
        retryable: false,
        message: expect.stringMatching(`^localhost:\\d+ does not accept the client certificate: ${why}$`),
        hint: expect.stringContaining('runner.connection.client_cert_file'),
      });
    }
  });

  it('is read again when its files change, without a restart', async () => {
    const { url, connections } = await serve();
    const at = tempDir();
    const own = { certFile: join(at, 'c.pem'), keyFile: join(at, 'c.key') };
    const put = ({ certFile, keyFile }: IdentityFiles): void => {
      copyFileSync(certFile, own.certFile);
      copyFileSync(keyFile, own.keyFile);
    };
    put(zoo.expiredClient);
    const warnings: string[] = [];
    const transport = await open({ clientCertificate: own, onWarning: (text) => warnings.push(text) });
    await expect(get(transport, url)).rejects.toThrow(RemoteError);
    put(zoo.client);
    expect(await get(transport, url)).toBe('"client"');
    expect(await get(transport, url)).toBe('"client"');
    const before = connections();

    // Half of a rotation: the pair in use stays, which is told once.
    copyFileSync(zoo.otherClient.certFile, own.certFile);
    expect(await get(transport, url)).toBe('"client"');
    expect(await get(transport, url)).toBe('"client"');
    expect(connections()).toBe(before);
    expect(warnings).toEqual([
      expect.stringMatching(/does not belong to the certificate .*; what was read before stays/),
    ]);

    rmSync(own.certFile);
    expect(await get(transport, url)).toBe('"client"');
    put(zoo.client);
    expect(await get(transport, url)).toBe('"client"');
    expect(connections()).toBe(before + 1);
  });

  it('does not let a program start when it cannot be used, and the file and the key are named', async () => {
    const { certFile, keyFile } = zoo.client;
    const at = tempDir();
    const nothing = join(at, 'nothing.pem');
    writeFileSync(nothing, 'nothing in here\n');
    const wrong = join(at, 'wrong');
    writeFileSync(wrong, 'wrong s3cret');
    const keyFileKey = 'runner.connection.client_key_file';
    const cases: [ClientCertificateOptions, string, string][] = [
      [{ certFile: join(at, 'missing') }, 'runner.connection.client_cert_file', 'it does not exist'],
      [{ certFile: nothing }, 'runner.connection.client_cert_file', 'holds no certificate'],
      [{ certFile }, keyFileKey, 'holds no private key'],
      [{ certFile, keyFile: nothing }, keyFileKey, 'holds no private key'],
      [{ certFile, keyFile: at }, keyFileKey, 'it is a directory'],
      [{ certFile, keyFile: zoo.otherClient.keyFile }, keyFileKey, 'does not belong to the certificate'],
      [{ certFile, keyFile: zoo.encryptedClientKey }, keyFileKey, 'is encrypted, and no passphrase was given'],
      [
        { certFile, keyFile: zoo.encryptedClientKey, passphraseFile: wrong },
        keyFileKey,
        'does not open the client key',
      ],
      [
        { certFile, keyFile, passphraseFile: join(at, 'missing') },
        'runner.connection.client_key_passphrase_file',
        'it does not exist',
      ],
    ];
    for (const [clientCertificate, key, text] of cases) {
      const error: unknown = await createTransport({ env: {}, clientCertificate }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ConfigError);
      expect(error).toMatchObject({ key, message: expect.stringContaining(text) });
      expect(JSON.stringify(error)).not.toContain('s3cret');
    }
  });

  it('does not replace the trust in the server: the authority’s file is read again, too', async () => {
    const server = await serveHttp((_request, response) => response.end('"in"'), zoo.other);
    const caFile = join(tempDir(), 'ca.pem');
    copyFileSync(zoo.caFile, caFile);
    const transport = await open({ caFile });
    await expect(get(transport, server.url)).rejects.toThrow(/not known here/);
    copyFileSync(zoo.otherCaFile, caFile);
    expect(await get(transport, server.url)).toBe('"in"');
  });
});
