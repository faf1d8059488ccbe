import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { readKey, startSshAgent, type AgentHost, type AgentKey } from '../../src/ssh/index.ts';
import { makeKey, startSshd, type TestSshd } from '../support/sshd.ts';
import { pathWithout } from '../support/path-without.ts';
import { eventually } from '../support/runner.ts';
import { testTaskHost } from '../support/task-host.ts';
import { needs } from '../support/tools.ts';
import { tempDir } from '../support/temp-dir.ts';

const execute = promisify(execFile);
const here = needs('ssh') && needs('ssh-keygen') && needs('sshd');

const env = { PATH: process.env['PATH'] ?? '' };

async function agentWith(keys: AgentKey[], directory = tempDir(), host?: AgentHost) {
  const agent = await startSshAgent({
    keys,
    name: 'agent-1',
    directory,
    env,
    host: host ?? (await testTaskHost()).host,
  });
  onTestFinished(() => agent.close());
  return agent;
}

describe.skipIf(!here)('the ssh-agent of a task', () => {
  let sshd: TestSshd;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'semaphore-sshd-'));
    sshd = await startSshd(directory);
  });
  afterAll(async () => {
    await sshd.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const ssh = (socketPath: string, ...command: string[]) =>
    execute(
      'ssh',
      [
        '-o',
        'StrictHostKeyChecking=no',
        '-o',
        'UserKnownHostsFile=/dev/null',
        '-o',
        'BatchMode=yes',
        '-F',
        '/dev/null',
        '-o',
        'IdentityFile=/nonexistent',
        '-p',
        String(sshd.port),
        `${sshd.user}@127.0.0.1`,
        ...command,
      ],
      { env: { PATH: process.env['PATH'] ?? '', SSH_AUTH_SOCK: socketPath } },
    );

  it.each([
    { name: 'ed25519', type: 'ed25519' },
    { name: 'rsa', type: 'rsa', bits: 2048 },
    { name: 'rsa-pem', type: 'rsa', bits: 2048, format: 'PEM' as const },
    { name: 'rsa-pkcs8', type: 'rsa', bits: 2048, format: 'PKCS8' as const },
    { name: 'ecdsa256', type: 'ecdsa', bits: 256 },
    { name: 'ecdsa384', type: 'ecdsa', bits: 384 },
    { name: 'ecdsa521', type: 'ecdsa', bits: 521 },
    { name: 'ed25519-passphrase', type: 'ed25519', passphrase: 'open sesame' },
    { name: 'rsa-passphrase', type: 'rsa', bits: 2048, passphrase: 'open sesame' },
  ])('logs in to a real sshd with a key of kind $name', async (options) => {
    const { privateKey, publicKey } = makeKey(directory, options);
    sshd.authorize(publicKey);
    const { socketPath } = await agentWith([await readKey(privateKey, options.passphrase ?? '', options.name)]);
    expect((await ssh(socketPath, 'echo', 'hello')).stdout).toBe('hello\n');
  });

  it('logs in with an encrypted Ed25519 key in the form of OpenSSL', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const form = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open sesame' } as const;
    const key = await readKey(privateKey.export(form).toString(), 'open sesame', 'pkcs8');
    sshd.authorize(`ssh-ed25519 ${key.publicBlob.toString('base64')}`);
    const { socketPath } = await agentWith([key]);
    expect((await ssh(socketPath, 'echo', 'hello')).stdout).toBe('hello\n');
  });

  it('takes keys with CRLF and without a last line end, and offers several', async () => {
    const wrong = makeKey(directory, { name: 'stranger' });
    const right = makeKey(directory, { name: 'crlf' });
    sshd.authorize(right.publicKey);
    const mangled = right.privateKey.trim().replaceAll('\n', '\r\n');
    const { socketPath } = await agentWith([await readKey(wrong.privateKey, '', 'a'), await readKey(mangled, '', 'b')]);
    expect((await ssh(socketPath, 'true')).stderr).not.toContain('Permission denied');
  });

  it('serves many clients at a time, and requests that arrive in pieces', async () => {
    const { privateKey, publicKey } = makeKey(directory, { name: 'many' });
    sshd.authorize(publicKey);
    const { socketPath } = await agentWith([await readKey(privateKey, '', 'many')]);
    const answers = await Promise.all(
      Array.from(
        { length: 20 },
        () =>
          new Promise<number>((resolve, reject) => {
            const socket = connect(socketPath);
            socket.once('error', reject);
            socket.once('data', (data) => {
              socket.destroy();
              resolve(data[4] ?? 0);
            });
            socket.write(Buffer.from([0, 0]));
            setTimeout(() => socket.write(Buffer.from([0, 1, 11])), 20);
          }),
      ),
    );
    expect(answers).toEqual(Array.from({ length: 20 }, () => 12));
  });

  it('keeps its socket private and removes it', async () => {
    const { privateKey } = makeKey(directory, { name: 'private' });
    const agent = await agentWith([await readKey(privateKey, '', 'private')]);
    expect(statSync(agent.socketPath).mode & 0o777).toBe(0o600);
    await agent.close();
    await agent.close();
    expect(existsSync(agent.socketPath)).toBe(false);
  });

  it('finds a shorter place when the directory is too deep for a socket', async () => {
    const deep = join(tempDir(), 'd'.repeat(120));
    mkdirSync(deep);
    const agent = await agentWith([], deep);
    expect(Buffer.byteLength(agent.socketPath)).toBeLessThan(108);
    expect(
      await execute('ssh-add', ['-L'], {
        env: { PATH: process.env['PATH'] ?? '', SSH_AUTH_SOCK: agent.socketPath },
      }).catch((error: unknown) => error),
    ).toMatchObject({ stdout: expect.stringContaining('no identities') });
    await agent.close();
    expect(existsSync(join(agent.socketPath, '..'))).toBe(false);
  });

  it.each([
    ['no key at all', 'hello', '', /cannot be read/],
    ['a public key', 'PUBLIC', '', /is a public key/],
    ['an encrypted key without passphrase', 'ENCRYPTED', '', /no passphrase is given/],
    ['an encrypted key with a wrong passphrase', 'ENCRYPTED', 'wrong', /with the passphrase that is given/],
  ])('says what is wrong with %s', async (name, text, passphrase, expected) => {
    const pair = makeKey(directory, { name: `bad-${name.replaceAll(' ', '-')}`, passphrase: 'right one' });
    const given = text === 'PUBLIC' ? pair.publicKey : text === 'ENCRYPTED' ? pair.privateKey : text;
    await expect(readKey(given, passphrase, 'x')).rejects.toThrow(expected);
  });
});

describe.skipIf(!here)('an ssh-agent that an earlier runner started', () => {
  async function keyOf(name: string): Promise<AgentKey> {
    return await readKey(makeKey(tempDir(), { name }).privateKey, '', name);
  }

  function processesOf({ socketPath }: { socketPath: string }): number[] {
    return readFileSync(socketPath.replace(/\.sock$/, '.pids'), 'utf8')
      .trim()
      .split(' ')
      .map(Number);
  }

  const lives = (pid: number): boolean => !['Z', 'X', undefined].includes(stateOf(pid));

  it('is taken over with its socket and its keys, and ended', async () => {
    const { host } = await testTaskHost();
    const [key, directory] = [await keyOf('a'), tempDir()];
    const first = await agentWith([key], directory, host);
    const pids = processesOf(first);
    const second = await agentWith([key], directory, {
      ...host,
      assist: () => Promise.reject(new Error('not needed')),
    });
    expect(second.socketPath).toBe(first.socketPath);
    expect(processesOf(second)).toEqual(pids);
    await second.close();
    await eventually(() => !pids.some(lives), 60_000);
  });

  it('is replaced at the same place when it has other keys, or is gone', async () => {
    const { host } = await testTaskHost();
    const [key, directory] = [await keyOf('a'), tempDir()];
    const first = await agentWith([await keyOf('b')], directory, host);
    const old = processesOf(first);
    const second = await agentWith([key], directory, host);
    expect(second.socketPath).toBe(first.socketPath);
    expect(await listed(second.socketPath)).toBe(1);
    // Its keeper sees that another one is in its place.
    await eventually(() => !old.some(lives), 60_000);
    for (const pid of processesOf(second)) process.kill(pid, 'SIGKILL');
    const third = await agentWith([key], directory, host);
    expect(third.socketPath).toBe(first.socketPath);
    expect(await listed(third.socketPath)).toBe(1);
  });

  it('is replaced when it is about to end, and lives on when its keeper sees that a runner has come', async () => {
    const { host } = await testTaskHost();
    const [key, directory] = [await keyOf('a'), tempDir()];
    const first = await agentWith([key], directory, host);
    const keeper = first.socketPath.replace(/\.sock$/, '.keeper');
    // Its keeper had seen no runner, and took the file away, when the next runner wrote its name there.
    renameSync(keeper, `${keeper}.taken`);
    const before = processesOf(first);
    const second = await agentWith([key], directory, host);
    expect(processesOf(second)).not.toEqual(before);
    expect(existsSync(keeper)).toBe(true);
    expect(await listed(second.socketPath)).toBe(1);
    await second.close();
    // The agent that was replaced ends by itself.
    await expect.poll(() => before.map(stateOf), { timeout: 60_000 }).toEqual([undefined, undefined]);
  });

  it('is found again where paths are too long for a socket, unless the place belongs to another user now', async () => {
    const { host } = await testTaskHost();
    const [key, deep] = [await keyOf('a'), join(tempDir(), 'd'.repeat(120))];
    mkdirSync(deep);
    const places = new Map<string, unknown>();
    const recorded: AgentHost = {
      ...host,
      once: async (name, work) => {
        if (!places.has(name)) places.set(name, await work());
        return places.get(name) as Awaited<ReturnType<typeof work>>;
      },
    };
    const first = await agentWith([key], deep, recorded);
    expect((await agentWith([key], deep, recorded)).socketPath).toBe(first.socketPath);
    await first.close();
    expect((await agentWith([key], deep, recorded)).socketPath).toBe(first.socketPath);
    if (process.getuid?.() !== 0) return;
    chownSync(join(first.socketPath, '..'), 12345, 12345);
    await expect(agentWith([key], deep, recorded)).rejects.toThrow('belongs to somebody else');
  });

  it('kills nothing that its file of process ids may name by now', async () => {
    const { host } = await testTaskHost();
    const [key, directory] = [await keyOf('a'), tempDir()];
    const first = await agentWith([key], directory, host);
    const file = first.socketPath.replace(/\.sock$/, '.pids');
    const pids = processesOf(first);
    writeFileSync(file, '1 1\n');
    const second = await agentWith([key], directory, host);
    await second.close();
    expect(stateOf(1)).not.toBe(undefined);
    await eventually(() => !pids.some(lives), 60_000);
  });

  it('is not to be had without OpenSSH: that is said', async () => {
    const [key, { host }] = [await keyOf('a'), await testTaskHost()];
    const path = pathWithout('ssh-agent');
    const starting = startSshAgent({ keys: [key], name: 'agent-1', directory: tempDir(), env: { PATH: path }, host });
    await expect(starting).rejects.toThrow('An ssh-agent cannot be started (ssh-agent is not installed).');
  });

  async function listed(socket: string): Promise<number> {
    const { stdout } = await execute('ssh-add', ['-l'], { env: { ...env, SSH_AUTH_SOCK: socket } });
    return stdout.trim().split('\n').length;
  }
});

function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat[stat.lastIndexOf(')') + 2];
  } catch {
    return undefined;
  }
}
