import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DockerExecutorConfig } from '../../src/config/index.ts';
import { createDockerEngine } from '../../src/executors/docker-engine.ts';
import { failure } from '../../src/executors/docker-engine/failures.ts';
import type { UserError } from '../../src/lib/index.ts';
import { makeCertificates } from '../http/certificates.ts';
import {
  busyboxImage,
  debianImage,
  docker,
  dockerNames,
  ensureImages,
  needsDocker,
  pushImage,
  startRegistry,
  type Registry,
} from '../support/docker/index.ts';
import { dockerConfig, opened, thingsOf } from '../support/docker-tasks.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Message and hint of the UserError that this rejects with. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as UserError,
  );
  if (error === undefined) throw new Error('it should have been refused');
  return `${error.name}: ${error.message} | ${error.hint ?? ''}`;
}

describe('what docker says of a failure', () => {
  const texts: [string, string, string][] = [
    [
      'Error response from daemon: Client sent an HTTP request to an HTTPS server.',
      'the engine and the runner do not agree on TLS',
      'tls_verify',
    ],
    [
      'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://x": dial unix /var/run/docker.sock: connect: permission denied',
      'the user of the runner may not use the engine',
      'Add the user to the group "docker"',
    ],
    [
      'Error response from daemon: write /var/lib/docker/tmp/GetImageBlob1: no space left on device',
      'the engine has no room left on its disk',
      'Make room there',
    ],
    [
      'Error response from daemon: toomanyrequests: You have reached your pull rate limit.',
      'the registry gives app:1 to nobody who asks that often',
      'docker login',
    ],
    [
      'no matching manifest for linux/amd64 in the manifest list entries',
      'app:1 is not made for the processor or system of the engine',
      'Use an image for that platform',
    ],
    [
      'Error response from daemon: Get "https://registry.example.com/v2/": dial tcp: lookup registry.example.com: no such host',
      'the engine does not get to the registry of app:1',
      'DNS',
    ],
    [
      "Error response from daemon: pull access denied for app, repository does not exist or may require 'docker login': denied",
      'the registry refuses app:1, or does not have it',
      'docker login',
    ],
    [
      "docker: Error response from daemon: Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available.\n\nRun 'docker run --help' for more information",
      'Range of CPUs is from 0.01 to 2.00',
      'cpu_limit',
    ],
    ['', 'it said nothing', 'See the log of the Docker engine.'],
  ];

  it.each(texts)('%s', (stderr, cause, hint) => {
    const error = failure(
      { what: 'pull the image app:1', engine: 'the engine', image: 'app:1' },
      { kind: 'ended', code: 1, stdout: '', stderr },
    );
    expect(error.message).toContain(`Cannot pull the image app:1: ${cause}`);
    expect(error.hint).toContain(hint);
  });
});

describe.runIf(needsDocker())('a Docker engine that cannot do it', () => {
  const owner = dockerNames('failures');
  const engineWith = (changes: Partial<DockerExecutorConfig>, env = process.env) =>
    createDockerEngine({ config: dockerConfig(changes), owner, env });
  let count = 0;
  const open = (changes: Partial<DockerExecutorConfig>, say?: (line: string) => void) =>
    opened(engineWith(changes), { name: `${owner}-${(count += 1)}`, ...(say ? { say } : {}) });

  beforeAll(() => ensureImages(busyboxImage, debianImage), 600_000);

  it('says that it is not there, and where', async () => {
    expect(await refusal(engineWith({ host: 'unix:///nonexistent/docker.sock' }).check())).toMatch(
      /^UserError: Cannot use Docker: the Docker engine at unix:\/\/\/nonexistent\/docker\.sock does not answer \(.*\) \| Is it running/,
    );
    const env = { ...process.env, DOCKER_HOST: 'tcp://127.0.0.1:1' };
    expect(await refusal(engineWith({}, env).check())).toContain(
      'the Docker engine at tcp://127.0.0.1:1 does not answer',
    );
    const without = await refusal(engineWith({}, { PATH: tempDir() }).check());
    expect(without).toContain('Cannot use Docker: the docker command was not found | Install the docker command');
  });

  it('says that there is no such network', async () => {
    expect(await refusal(engineWith({ network: `${owner}-none` }).check())).toMatch(
      /Cannot use the network .*: the local Docker engine has no such network .* \| Make it \(docker network create\)/,
    );
    await engineWith({ network: 'bridge' }).check();
  });

  it('does not pull when it must not', async () => {
    expect(await refusal(open({ image: 'semaphore-test/none', pullPolicy: 'never' }))).toMatch(
      /Cannot use the image semaphore-test\/none: the local Docker engine does not have it \| .*pull_policy from never\./,
    );
  });

  it('says what is no name of an image, and what is none for it', async () => {
    expect(await refusal(open({ image: 'Not:A:Name', pullPolicy: 'if-not-present' }))).toContain(
      '"Not:A:Name" is not the name of an image',
    );
    const [shellless, foreign] = [`${owner}-shellless`, `${owner}-foreign`];
    const directory = tempDir();
    mkdirSync(join(directory, 'bin'));
    // The head of a program for a processor that is no longer made.
    writeFileSync(join(directory, 'bin/sh'), Buffer.from('7f454c4602010100000000000000000002003200010000', 'hex'), {
      mode: 0o755,
    });
    const from = (dockerfile: string) => {
      writeFileSync(join(directory, 'Dockerfile'), dockerfile);
      return directory;
    };
    await docker(['build', '--tag', shellless, from('FROM scratch\nCOPY Dockerfile /\n')]);
    await docker(['build', '--tag', foreign, from('FROM scratch\nCOPY bin /bin\n')]);
    expect(await refusal(open({ image: shellless }))).toContain(`there is no /bin/sh in ${shellless}`);
    expect(await refusal(open({ image: foreign }))).toContain(`${foreign} is not made for the processor or system`);
  });

  it('says what limit it cannot keep, and leaves nothing behind', async () => {
    expect(await refusal(open({ cpuLimit: 4000 }))).toMatch(
      /Range of CPUs .* \| Change runner\.executor\.docker\.cpu_limit\./,
    );
    expect(await docker(['ps', '--all', '--quiet', '--filter', `label=semaphoreui.com/runner=${owner}`])).toBe('');
    expect(await docker(['volume', 'ls', '--quiet', '--filter', `label=semaphoreui.com/runner=${owner}`])).toBe('');
  });

  describe('with a registry', () => {
    let registry: Registry;
    let image: string;
    beforeAll(async () => {
      registry = await startRegistry({ user: 'reader', password: 'let me in' });
      image = await pushImage(busyboxImage, registry, `${owner}/app`);
    }, 120_000);
    afterAll(() => registry.stop());

    const config = (password: string) => {
      const directory = tempDir();
      const auth = Buffer.from(`reader:${password}`).toString('base64');
      writeFileSync(join(directory, 'config.json'), JSON.stringify({ auths: { [registry.address]: { auth } } }));
      return { ...process.env, DOCKER_CONFIG: directory };
    };
    const pulled = async (changes: Partial<DockerExecutorConfig>, password: string) => {
      const said: string[] = [];
      const engine = engineWith({ image, pullPolicy: 'if-not-present', ...changes }, config(password));
      const containers = await opened(engine, { name: `${owner}-${(count += 1)}`, say: (line) => said.push(line) });
      await containers.remove(0);
      return said;
    };

    it('pulls with the credentials of its user, as the policy says, and tells the log', async () => {
      expect(await pulled({}, 'let me in')).toEqual([`Pulling image ${image}`, `Pulled image ${image}`]);
      expect(await pulled({}, 'let me in')).toEqual([]);
      expect(await pulled({ pullPolicy: 'always', helperImage: image }, 'let me in')).toEqual([
        `Pulling image ${image}`,
        `Image ${image} is up to date`,
      ]);
      await docker(['rmi', image]);
    });

    it('says whom the registry refuses, and what it does not have', async () => {
      expect(await refusal(pulled({}, 'wrong'))).toMatch(
        /the registry refuses .*\/app, or does not have it \(.*\) \| .*docker login/,
      );
      const none = await refusal(pulled({ image: `${image}:none` }, 'let me in'));
      expect(none).toMatch(/there is no image .*\/app:none \(.*\) \| Check its name and tag/);
      const away = await refusal(pulled({ image: '127.0.0.1:1/app' }, 'let me in'));
      expect(away).toContain('the local Docker engine does not get to the registry of 127.0.0.1:1/app');
    });
  });

  describe('elsewhere, behind TLS', () => {
    const directory = mkdtempSync(join(tmpdir(), 'semaphore-test-'));
    const sockets = new Set<Socket>();
    let server: Server;
    let host: string;

    beforeAll(async () => {
      const made = makeCertificates(directory);
      for (const [name, ca, key] of [
        ['mine', made.caFile, 'client'],
        ['stranger', made.caFile, 'other-client'],
        ['fooled', made.otherCaFile, 'client'],
      ] as const) {
        mkdirSync(join(directory, name));
        copyFileSync(ca, join(directory, name, 'ca.pem'));
        copyFileSync(join(directory, `${key}.pem`), join(directory, name, 'cert.pem'));
        copyFileSync(join(directory, `${key}.key`), join(directory, name, 'key.pem'));
      }
      server = createTlsServer(
        { ...made.good, ca: readFileSync(made.caFile), requestCert: true, allowHalfOpen: true },
        (secure) => {
          const plain = connect({ path: '/var/run/docker.sock', allowHalfOpen: true });
          for (const each of [secure, plain]) {
            sockets.add(each);
            each.on('error', () => undefined).once('close', () => sockets.delete(each));
          }
          secure.pipe(plain).pipe(secure);
        },
      ).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      host = `tcp://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
    });
    afterAll(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
      rmSync(directory, { recursive: true, force: true });
    });

    const remote = (certificates: string, tlsVerify = true) =>
      engineWith({ host, tlsVerify, certPath: join(directory, certificates) });

    it('serves a task, and tells a connection that is lost from a process that has ended', async () => {
      const engine = remote('mine');
      await engine.check();
      const containers = await opened(engine, { name: `${owner}-${(count += 1)}` });
      const printed: Buffer[] = [];
      const result = containers.exec('build', {
        argv: ['sh', '-c', 'read -r word; echo "$word"; while :; do sleep 1; done'],
        input: Buffer.from('through TLS\n'),
        onStdout: (bytes) => {
          printed.push(bytes);
          for (const socket of sockets) socket.destroy();
        },
      });
      expect(await result).toMatchObject({ kind: 'dropped' });
      expect(Buffer.concat(printed).toString()).toBe('through TLS\n');
      expect(await containers.exec('build', { argv: ['true'] })).toEqual({ kind: 'exited', code: 0, stderr: '' });
      await containers.remove(0);
      expect(await thingsOf(containers.name)).toEqual([]);
    });

    it('is told from another one, and refuses strangers', async () => {
      expect(await refusal(remote('fooled').check())).toContain('do not agree on TLS');
      expect(await refusal(remote('stranger').check())).toContain('do not agree on TLS');
      await remote('fooled', false).check();
    });

    it('needs all files', async () => {
      expect(await refusal(remote('nowhere').check())).toMatch(
        /runner\.executor\.docker\.cert_path .*\/nowhere has no ca\.pem, no cert\.pem, no key\.pem \| It is the directory/,
      );
    });
  });
});
