import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { toolPath } from '../tools.ts';
import { docker } from './docker.ts';

/** Who may read and write a registry. */
export interface RegistryAccount {
  user: string;
  password: string;
}

/** A registry that runs. */
export interface Registry {
  /** `127.0.0.1:<port>`, what an image's name begins with. The engine takes plain HTTP there. */
  address: string;
  account: RegistryAccount | undefined;
  /** Ends the process and removes its data; may be called twice. */
  stop: () => Promise<void>;
}

const START_MS = 60_000;

/**
 * Starts Debian's docker-registry on a free port of loopback: with basic auth for `account`, or open to all. With `tls` it speaks nothing
 * but HTTPS, with a certificate of its own that an engine takes on loopback only.
 */
export async function startRegistry(account?: RegistryAccount, { tls = false } = {}): Promise<Registry> {
  const directory = mkdtempSync(join(tmpdir(), 'semaphore-test-registry-'));
  const child = spawn(
    toolPath('docker-registry') ?? 'docker-registry',
    ['serve', writeConfig(directory, account, tls)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    process.off('exit', kill);
    kill();
    await ended;
    rmSync(directory, { recursive: true, force: true });
  };
  const output: string[] = [];
  const address = await new Promise<string>((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`docker-registry does not listen:\n${output.join('\n')}`)),
      START_MS,
    );
    child.once('error', reject);
    child.once('close', () => reject(new Error(`docker-registry ended:\n${output.join('\n')}`)));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        output.push(line);
        const found = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
        if (found === undefined) return;
        clearTimeout(late);
        resolve(found);
      });
    }
  }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { address, account, stop };
}

/** Puts a local image into the registry and returns the name to pull it by; the engine does not keep that name. */
export async function pushImage(image: string, registry: Registry, repository: string): Promise<string> {
  const name = `${registry.address}/${repository}`;
  const config = mkdtempSync(join(tmpdir(), 'semaphore-test-docker-config-'));
  try {
    const auth =
      registry.account && Buffer.from(`${registry.account.user}:${registry.account.password}`).toString('base64');
    writeFileSync(join(config, 'config.json'), JSON.stringify({ auths: auth ? { [registry.address]: { auth } } : {} }));
    await docker(['tag', image, name]);
    await docker(['push', name], { env: { DOCKER_CONFIG: config } });
    await docker(['rmi', name]);
  } finally {
    rmSync(config, { recursive: true, force: true });
  }
  return name;
}

function writeConfig(directory: string, account: RegistryAccount | undefined, tls: boolean): string {
  const storage = join(directory, 'data');
  mkdirSync(storage);
  const config = {
    version: '0.1',
    log: { accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage } },
    http: { addr: '127.0.0.1:0', ...(tls && { tls: writeCertificate(directory) }) },
    ...(account && { auth: { htpasswd: { realm: 'test', path: writePasswords(directory, account) } } }),
  };
  const path = join(directory, 'config.yml');
  writeFileSync(path, JSON.stringify(config)); // JSON is YAML.
  return path;
}

function writeCertificate(directory: string): { certificate: string; key: string } {
  const [certificate, key] = [join(directory, 'certificate.pem'), join(directory, 'key.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', key, '-out', certificate];
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    ...subject,
    ...files,
  ]);
  if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr.toString()}`);
  return { certificate, key };
}

function writePasswords(directory: string, { user, password }: RegistryAccount): string {
  // The registry takes bcrypt only. perl is in every Debian, and its crypt() is that of the system.
  const hash = spawnSync('perl', ['-e', 'local $/; print crypt(<STDIN>, q($2y$05$semaphoresemaphoresema))'], {
    input: password,
    encoding: 'utf8',
  }).stdout;
  if (!hash.startsWith('$2y$')) throw new Error('perl cannot make a bcrypt hash on this system');
  const path = join(directory, 'htpasswd');
  writeFileSync(path, `${user}:${hash}\n`);
  return path;
}
