import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { readKey, startSshAgent } from '../../src/ssh/index.ts';
import { TestRepository } from '../support/git-repository.ts';
import { makeKey, startSshd, type TestSshd } from '../support/sshd.ts';
import { testTaskHost } from '../support/task-host.ts';
import { needs } from '../support/tools.ts';
import { tempDir } from '../support/temp-dir.ts';
import { checkouts } from './support.ts';

const here = needs('ssh') && needs('ssh-keygen') && needs('sshd');

describe.skipIf(!here)('a repository over ssh', () => {
  let sshd: TestSshd;
  let directory: string;
  let key: { privateKey: string; publicKey: string };

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'semaphore-git-ssh-'));
    sshd = await startSshd(directory);
    key = makeKey(directory, { passphrase: 'open sesame' });
    sshd.authorize(key.publicKey);
  });
  afterAll(async () => {
    await sshd.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function agent(privateKey: string, passphrase: string) {
    const started = await startSshAgent({
      keys: [await readKey(privateKey, passphrase, 'test')],
      name: 'agent-1',
      directory: tempDir(),
      env: { PATH: process.env['PATH'] ?? '' },
      host: (await testTaskHost()).host,
    });
    onTestFinished(() => started.close());
    return { kind: 'agent', socket: started.socketPath } as const;
  }

  function repository() {
    const made = new TestRepository();
    const hash = made.commit({ a: '1' }, 'one');
    return { hash, url: `ssh://${sshd.user}@127.0.0.1:${sshd.port}${made.bare}` };
  }

  it('is opened with a key from the agent', async () => {
    const { url, hash } = repository();
    const { result, task } = await checkouts(url).run({ credentials: await agent(key.privateKey, 'open sesame') });
    expect(result).toEqual({ kind: 'done', commit: { hash, message: 'one' } });
    expect(JSON.stringify(task.steps)).not.toContain('PRIVATE KEY');
  });

  it('refuses another key, in words', async () => {
    const { url } = repository();
    const other = makeKey(tempDir());
    const { result } = await checkouts(url).run({ credentials: await agent(other.privateKey, ''), attempts: 3 });
    expect(result).toEqual({ kind: 'failed', reason: expect.stringContaining('refused the credentials') });
  });

  it('checks the host key where the configuration asks for it', async () => {
    const { url } = repository();
    const credentials = await agent(key.privateKey, 'open sesame');
    const knownHostsFile = join(tempDir(), 'known hosts');
    const ssh = { configPath: undefined, knownHostsFile, strictHostKeyChecking: 'yes' } as const;
    writeFileSync(knownHostsFile, '');
    const room = checkouts(url);
    const refused = await room.run({ credentials, ssh });
    expect(refused.result).toEqual({ kind: 'failed', reason: expect.stringContaining('host key') });
    writeFileSync(knownHostsFile, `${sshd.knownHostsLine}\n`);
    expect((await room.run({ credentials, ssh })).result.kind).toBe('done');
  });

  it('learns the host key once, where that is the policy', async () => {
    const { url } = repository();
    const credentials = await agent(key.privateKey, 'open sesame');
    const knownHostsFile = join(tempDir(), 'known_hosts');
    const ssh = { configPath: undefined, knownHostsFile, strictHostKeyChecking: 'accept-new' } as const;
    const room = checkouts(url);
    expect((await room.run({ credentials, ssh })).result.kind).toBe('done');
    writeFileSync(knownHostsFile, sshd.knownHostsLine.replace(/AAAA\S+/, key.publicKey.split(' ')[1] ?? ''));
    const changed = await room.run({ credentials, ssh });
    expect(changed.result).toEqual({ kind: 'failed', reason: expect.stringContaining('host key') });
  });
});
