import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';
import { needs, toolPath } from '../support/tools.ts';
import { TestServer } from './support/test-server.ts';

describe.runIf(needs('openssl'))('a server with a certificate', () => {
  function certificate(): { cert_file: string; key_file: string } {
    const directory = tempDir();
    const files = { cert_file: join(directory, 'cert.pem'), key_file: join(directory, 'key.pem') };
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const args = [
      'req',
      '-x509',
      '-newkey',
      'ed25519',
      '-nodes',
      '-days',
      '1',
      ...subject,
      '-out',
      files.cert_file,
      '-keyout',
      files.key_file,
    ];
    execFileSync(toolPath('openssl') ?? '', args, { stdio: 'ignore' });
    return files;
  }

  it('speaks TLS', async () => {
    const tls = certificate();
    const server = await TestServer.start({ file: { tls } });
    expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const answer = await new Promise<string>((resolve, reject) => {
      get(`${server.url}/api/ping`, { ca: readFileSync(tls.cert_file), agent: false }, (response) => {
        response.setEncoding('utf8').on('data', resolve);
      }).on('error', reject);
    });
    expect(answer).toBe('pong');
  });

  it('may be reached from everywhere without a warning', async () => {
    const server = await TestServer.start({ file: { tls: certificate(), listen: '0.0.0.0:0' } });
    expect(server.running.warnings).toEqual([]);
  });

  it('says when the certificate cannot be used', async () => {
    const tls = certificate();
    await expect(TestServer.start({ file: { tls: { ...tls, key_file: '/nowhere.pem' } } })).rejects.toThrow(
      'the certificate or its key cannot be read',
    );
    writeFileSync(tls.key_file, 'no key');
    await expect(TestServer.start({ file: { tls } })).rejects.toThrow('the certificate and its key cannot be used');
  });
});
