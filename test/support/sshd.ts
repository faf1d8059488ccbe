import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface TestSshd {
  host: '127.0.0.1';
  port: number;
  /** The user to log in as: the one that runs the tests. */
  user: string;
  /** Allows `publicKey` (a line of authorized_keys) from now on. */
  authorize(publicKey: string): void;
  /** A line for a known_hosts file. */
  knownHostsLine: string;
  /** What the server has logged so far. */
  log(): string;
  close(): Promise<void>;
}

/** The path of a real sshd, or undefined. It must be started by an absolute path. */
export function sshdPath(): string | undefined {
  try {
    return execFileSync('sh', ['-c', 'command -v sshd || ls /usr/sbin/sshd'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

export interface SshdOptions {
  /** Lets users of this machine in with their passwords, too; only root's sshd can check those of others. */
  passwords?: boolean;
}

/** Starts a real sshd on loopback in `directory`, with a host key of its own; only keys that are authorized get in. */
export async function startSshd(directory: string, { passwords = false }: SshdOptions = {}): Promise<TestSshd> {
  const sshd = sshdPath();
  if (sshd === undefined) throw new Error('sshd is not installed');
  const hostKey = join(directory, 'host_key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
  const authorizedKeys = join(directory, 'authorized_keys');
  writeFileSync(authorizedKeys, '', { mode: 0o600 });
  const port = await freePort();
  const config = join(directory, 'sshd_config');
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${authorizedKeys}`,
    `PidFile ${join(directory, 'sshd.pid')}`,
    `PasswordAuthentication ${passwords ? 'yes' : 'no'}`,
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'StrictModes no',
    'PermitRootLogin yes',
    'AcceptEnv LANG',
    'Subsystem sftp internal-sftp',
    'LogLevel VERBOSE',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  // Debian's sshd wants its privilege separation directory.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const child = spawn(sshd, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await untilListening(
    port,
    () => child.exitCode !== null,
    () => said,
  );
  return {
    host: '127.0.0.1',
    port,
    user: userInfo().username,
    authorize: (publicKey) => writeFileSync(authorizedKeys, `${publicKey.trim()}\n`, { flag: 'a' }),
    knownHostsLine: `[127.0.0.1]:${port} ${readFileSync(`${hostKey}.pub`, 'utf8').trim()}`,
    log: () => said,
    close: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Makes a key pair in `directory`. */
export function makeKey(
  directory: string,
  options: { name?: string; type?: string; bits?: number; passphrase?: string; format?: 'PEM' | 'PKCS8' } = {},
): { privateKey: string; publicKey: string } {
  const file = join(directory, options.name ?? 'id_test');
  const { type = 'ed25519', bits, passphrase = '', format } = options;
  execFileSync('ssh-keygen', [
    '-q',
    '-t',
    type,
    '-N',
    passphrase,
    '-C',
    'test key',
    '-f',
    file,
    ...(bits === undefined ? [] : ['-b', String(bits)]),
    ...(format === undefined ? [] : ['-m', format]),
  ]);
  return { privateKey: readFileSync(file, 'utf8'), publicKey: readFileSync(`${file}.pub`, 'utf8') };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function untilListening(port: number, dead: () => boolean, said: () => string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (dead()) throw new Error(`sshd did not start:\n${said()}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await sleep(25);
  }
  throw new Error(`sshd does not listen on ${port}:\n${said()}`);
}
