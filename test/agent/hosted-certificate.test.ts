import { execFile, execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { connect } from 'node:tls';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeSelfSigned } from '../../src/agent/hosted/self-signed.ts';
import { fingerprints, loadTlsIdentity } from '../../src/agent/hosted/tls-identity.ts';
import { UserError } from '../../src/lib/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs, toolPath } from '../support/tools.ts';
import { ask, startServing } from './hosted-client.ts';

const nowMs = Date.now();

describe('a self-signed certificate', () => {
  it.each(['localhost', '127.0.0.1', '::1', 'build-7.example.test', '10.1.2.3', '2001:db8::5', '::ffff:10.0.0.1'])(
    'is accepted for %s by a client that trusts it',
    async (name) => {
      const identity = makeSelfSigned({
        names: ['build-7.example.test', '10.1.2.3', '2001:db8::5', '::ffff:10.0.0.1'],
        nowMs,
      });
      const server = createServer(identity);
      onTestFinished(() => void server.close());
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      await new Promise<void>((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', ca: identity.cert, checkServerIdentity: () => undefined });
        socket.once('secureConnect', () => {
          const shown = socket.getPeerX509Certificate();
          const matches = name.includes(':') || /^\d/.test(name) ? shown?.checkIP(name) : shown?.checkHost(name);
          socket.destroy();
          if (matches === undefined) reject(new Error(`not for ${name}: ${shown?.subjectAltName ?? ''}`));
          else resolve();
        });
        socket.once('error', reject);
      });
    },
  );

  it('is X.509 as openssl reads it, for servers only, valid since yesterday and for a year', () => {
    if (!needs('openssl')) return;
    const { cert } = makeSelfSigned({ nowMs });
    const file = join(tempDir(), 'cert.pem');
    writeFileSync(file, cert);
    const openssl = toolPath('openssl') ?? '';
    const text = execFileSync(openssl, ['x509', '-in', file, '-noout', '-text'], { encoding: 'utf8' });
    expect(text).toContain('Version: 3');
    expect(text).toContain('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
    expect(text).toContain('TLS Web Server Authentication');
    expect(text).toContain('CA:FALSE');
    expect(execFileSync(openssl, ['verify', '-x509_strict', '-CAfile', file, file], { encoding: 'utf8' })).toContain(
      'OK',
    );
    const { validFrom, validTo } = new X509Certificate(cert);
    expect(Date.parse(validFrom)).toBeLessThan(nowMs);
    expect(Date.parse(validTo) - nowMs).toBeGreaterThan(364 * 24 * 3_600_000);
  });

  it('is still right after 2049, when dates have another form', () => {
    const { validTo } = new X509Certificate(makeSelfSigned({ nowMs: Date.parse('2060-05-06T07:08:09Z') }).cert);
    expect(new Date(validTo).toISOString()).toBe('2061-05-06T07:08:09.000Z');
  });

  it('is another one each time', () => {
    const [one, other] = [makeSelfSigned({ nowMs }), makeSelfSigned({ nowMs })];
    expect(one.key).not.toBe(other.key);
    expect(new X509Certificate(one.cert).serialNumber).not.toBe(new X509Certificate(other.cert).serialNumber);
  });

  it('is made when it is asked for and no file is there, and can be recognised', async () => {
    const directory = tempDir();
    const files = { certPath: join(directory, 'server.crt'), keyPath: join(directory, 'server.key') };
    const { url, port, lines } = await startServing({ tls: { ...files, selfSigned: true } });
    expect(await ask(url, '/is_alive')).toMatchObject({ status: 200 });
    const shown = await new Promise<string>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.toString() ?? '');
        socket.destroy();
      });
    });
    const told = lines.find(({ message }) => message.startsWith('The certificate is made'));
    expect(told?.fields).toEqual(fingerprints(shown));
    if (!needs('curl')) return;
    const pinned = ['-sk', '--pinnedpubkey', String(told?.fields['pin']), `${url}/is_alive`];
    expect((await promisify(execFile)(toolPath('curl') ?? '', pinned)).stdout).toBe('yes');
  });
});

describe('certificate files', () => {
  const write = (): { certPath: string; keyPath: string; directory: string } => {
    const directory = tempDir();
    const { cert, key } = makeSelfSigned({ nowMs });
    writeFileSync(join(directory, 'server.crt'), cert);
    writeFileSync(join(directory, 'server.key'), key);
    return { certPath: join(directory, 'server.crt'), keyPath: join(directory, 'server.key'), directory };
  };

  it('are relative to the working directory', async () => {
    const { directory } = write();
    const before = process.cwd();
    process.chdir(directory);
    onTestFinished(() => process.chdir(before));
    const identity = await loadTlsIdentity({ certPath: 'server.crt', keyPath: 'server.key', selfSigned: false }, nowMs);
    expect(identity).toMatchObject({ isSelfSigned: false });
  });

  it('win over --self-signed', async () => {
    expect(await loadTlsIdentity({ ...write(), selfSigned: true }, nowMs)).toMatchObject({ isSelfSigned: false });
  });

  it.each([
    [
      'a certificate that is not there',
      { certPath: '/no/such.crt' },
      /cannot read the TLS certificate \/no\/such.crt: it does not exist/,
    ],
    [
      'a key that is not there, also with --self-signed',
      { keyPath: '/no/such.key', selfSigned: true },
      /cannot read the TLS key/,
    ],
    ['a directory', { certPath: tmpdirPath() }, /it is a directory/],
  ])('names the flag for %s', async (_what, changed, words) => {
    const loading = loadTlsIdentity({ ...write(), selfSigned: false, ...changed }, nowMs);
    await expect(loading).rejects.toThrow(words);
    await expect(loading).rejects.toMatchObject({
      hint: expect.stringMatching(/--tls-(cert|key)-path.*--self-signed/),
    });
    await expect(loading).rejects.toBeInstanceOf(UserError);
  });

  it('say which of them is no PEM', async () => {
    const files = write();
    writeFileSync(files.keyPath, 'nonsense');
    await expect(loadTlsIdentity({ ...files, selfSigned: false }, nowMs)).rejects.toThrow(
      /the TLS key .*server.key cannot be used/,
    );
    writeFileSync(files.certPath, 'nonsense');
    await expect(loadTlsIdentity({ ...files, selfSigned: false }, nowMs)).rejects.toThrow(
      /the TLS certificate .*server.crt cannot be used/,
    );
  });

  it('must belong together', async () => {
    const files = write();
    writeFileSync(files.keyPath, makeSelfSigned({ nowMs }).key);
    await expect(loadTlsIdentity({ ...files, selfSigned: false }, nowMs)).rejects.toThrow(
      /does not belong to the certificate/,
    );
  });
});

function tmpdirPath(): string {
  return process.env['TMPDIR'] ?? '/tmp';
}
