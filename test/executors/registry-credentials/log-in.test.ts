import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  busyboxImage,
  docker,
  dockerNames,
  ensureImages,
  needsDocker,
  pushImage,
  removeDockerThings,
  startRegistry,
  type Registry,
} from '../../support/docker/index.ts';
import { credential, genericCredential, logInto, standIns, type LoggedIn } from './support.ts';

/** Logins through the real docker command and engine to a real registry. */

const user = 'ann';
const password = 'pa$$ "word" of\'ann';
const keyFile = '{"type": "service_account",\n "private_key": "of the registry"}\n';

const dockerHub = credential({
  DOCKER_CREDENTIAL_TYPE: 'DockerHub',
  DOCKERHUB_USERNAME: user,
  DOCKERHUB_PASSWORD: password,
});

describe.runIf(needsDocker())('a login to', () => {
  const name = dockerNames('login');
  let registry: Registry;
  let image: string;

  beforeAll(async () => {
    await ensureImages(busyboxImage);
    registry = await startRegistry({ user, password });
    image = await pushImage(busyboxImage, registry, `${name}/private`);
  }, 600_000);
  afterAll(() => registry.stop());

  async function canPull({ config }: Pick<LoggedIn, 'config'>, wanted = image): Promise<boolean> {
    try {
      await docker(['pull', '--quiet', wanted], { env: { DOCKER_CONFIG: config } });
      return true;
    } catch (error: unknown) {
      expect(String(error)).toMatch(/no basic auth credentials|unauthorized/);
      return false;
    } finally {
      await removeDockerThings(wanted);
    }
  }

  it('any registry lets the job pull its images, and nobody else', async () => {
    const result = await logInto([genericCredential(registry.address, user, password)]);
    expect(result.exitCode).toBe(0);
    expect(result.events.slice(0, 2)).toEqual([
      'Setting up credentials for Docker\n',
      'docker login -u "$DOCKER_USERNAME" -p "$DOCKER_PASSWORD" $DOCKER_URL\n',
    ]);
    expect(result.events.slice(-2)).toEqual(['Login Succeeded\n', '\n']);
    expect(await canPull(result)).toBe(true);
    expect(await canPull(await logInto([]))).toBe(false);
  });

  it('a registry with a wrong password fails, in the words of docker', async () => {
    const result = await logInto([genericCredential(registry.address, user, 'not the password')]);
    expect(result.exitCode).toBe(1);
    expect(result.events.join('')).toMatch(/401 Unauthorized|unauthorized/);
    expect([...result.events, ...result.agentLog].join('')).not.toContain('not the password');
    expect(result.agentLog).toEqual([
      `A login to a registry failed {"type":"GenericDocker","server":"${registry.address}","reason":"docker ended with exit code 1"}`,
    ]);
    expect(await canPull(result)).toBe(false);
  });

  it('a registry that is not there fails', async () => {
    const { exitCode, events } = await logInto([genericCredential('127.0.0.1:1', user, password)]);
    expect(exitCode).toBe(1);
    expect(events.join('')).toContain('connection refused');
  });

  it('a registry that speaks HTTPS, named by its URL', async () => {
    const secure = await startRegistry({ user, password }, { tls: true });
    onTestFinished(() => secure.stop());
    const wanted = await pushImage(busyboxImage, secure, `${name}/secure`);
    const result = await logInto([genericCredential(`https://${secure.address}`, user, password)]);
    expect(result.exitCode).toBe(0);
    expect(await canPull(result, wanted)).toBe(true);
  });

  it('Docker Hub names no registry', async () => {
    // Stands in for the way to Docker Hub: the real docker, with our registry where none is named.
    const bin = standIns({
      docker: `#!/bin/sh\nPATH="\${PATH#*:}"\n[ "$#" = 3 ] && exec docker "$@" ${registry.address}\nexit 9\n`,
    });
    const result = await logInto([dockerHub], { bin });
    expect(result.events.slice(0, 2)).toEqual([
      'Setting up credentials for DockerHub\n',
      'echo $DOCKERHUB_PASSWORD | docker login --username $DOCKERHUB_USERNAME --password-stdin\n',
    ]);
    expect(result.exitCode).toBe(0);
    expect(await canPull(result)).toBe(true);
  });

  it('GCR takes the key file from the request, not from the disk', async () => {
    const google = await startRegistry({ user: '_json_key', password: keyFile.trimEnd() });
    onTestFinished(() => google.stop());
    const wanted = await pushImage(busyboxImage, google, `${name}/google`);
    const result = await logInto([
      credential({ DOCKER_CREDENTIAL_TYPE: 'GCR', GCR_HOSTNAME: google.address }, { '/tmp/gcr/keyfile.json': keyFile }),
    ]);
    expect(result.events.slice(0, 2)).toEqual([
      'Setting up credentials for GCR\n',
      'cat /tmp/gcr/keyfile.json | docker login -u _json_key --password-stdin https://$GCR_HOSTNAME\n',
    ]);
    expect(result.exitCode).toBe(0);
    expect(await canPull(result, wanted)).toBe(true);
  });

  it('several registries fails when one fails, whatever comes after it, and tries them all', async () => {
    const result = await logInto([
      credential({}),
      genericCredential(registry.address, user, 'not the password'),
      genericCredential(registry.address, user, password),
    ]);
    expect(result.exitCode).toBe(1);
    expect(result.events[0]).toBe('Failed to resolve docker login strategy: DOCKER_CREDENTIAL_TYPE not set\n');
    expect(result.events.filter((text) => text.startsWith('Setting up'))).toHaveLength(2);
    expect(result.events.at(-2)).toBe('Login Succeeded\n');
    expect(await canPull(result)).toBe(true);
  });

  it('a registry that never answers ends when the job is stopped; meanwhile no process shows the password', async () => {
    const silent = await silentServer();
    const controller = new AbortController();
    const login = logInto([genericCredential(silent.address, user, password), dockerHub], {
      signal: controller.signal,
    });
    await silent.asked;
    const processes = everyProcess();
    expect(processes.some(({ argv }) => argv.includes(silent.address) && argv.includes('--password-stdin'))).toBe(true);
    expect(processes.filter(({ argv, env }) => [argv, env].join('').includes(password))).toEqual([]);
    controller.abort();
    const { exitCode, events, agentLog } = await login;
    expect(exitCode).toBe(1);
    expect(events).toHaveLength(3);
    expect(events.at(-1)).toBe('the job was stopped\n');
    expect([...events, ...agentLog].join('')).not.toContain(password);
    expect(everyProcess().filter(({ argv }) => argv.includes(silent.address))).toEqual([]);
  });

  it('a registry needs docker', async () => {
    const { exitCode, events } = await logInto([dockerHub], { env: { PATH: '/nowhere' } });
    expect(exitCode).toBe(1);
    expect(events.at(-1)).toBe("docker was not found on the agent's PATH: install it on the host of the agent\n");
  });
});

/** Takes connections and says nothing. */
async function silentServer(): Promise<{ address: string; asked: Promise<void> }> {
  let server: Server | undefined;
  const asked = new Promise<void>((resolve) => {
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      onClose.push(() => socket.destroy());
      socket.once('data', () => resolve());
    });
  });
  const onClose: (() => void)[] = [];
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const close of onClose) close();
    server?.close();
  });
  const bound = server?.address();
  return { address: `127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`, asked };
}

function everyProcess(): { argv: string; env: string }[] {
  const read = (pid: string, file: string): string => {
    try {
      return readFileSync(join('/proc', pid, file), 'utf8');
    } catch {
      return ''; // It has ended meanwhile.
    }
  };
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => ({ argv: read(pid, 'cmdline'), env: read(pid, 'environ') }));
}
