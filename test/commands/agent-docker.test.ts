import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderEvents } from '../../src/agent/playground/hub/index.ts';
import { ask, postJob, secret } from '../agent/hosted-client.ts';
import { startTestHub } from '../ci-hub/index.ts';
import { thingsOf } from '../executors/compose-support.ts';
import {
  busyboxImage,
  debianImage,
  docker,
  dockerNames,
  ensureImages,
  needsDocker,
  pushImage,
  type Registry,
  startRegistry,
} from '../support/docker/index.ts';
import { base64, builtAgent, newPlace, type Place, startProgram, until } from './agent-support.ts';

/**
 * The built program with jobs of docker compose: the example of spec CI 4.6 as it is, but for the names of registry and host. Its two images
 * come from a registry with a password: one with an `npm` that asks the linked service, one with a `postgres` that answers with what it got.
 */

const npm = `#!/bin/bash
echo "npm $1 $CI $GREETING $NODE_ENV"
cat ~/.npmrc ~/relative/note.txt; /opt/ci/run.sh
until exec 3<>/dev/tcp/db/5432; do sleep 0.2; done 2>/dev/null
cat <&3
`;
const postgres = `#!/bin/sh
exec nc -ll -p 5432 -e sh -c "echo 'the database: $*, $POSTGRES_PASSWORD'; id -un"
`;

describe.runIf(needsDocker())('the built agent with docker compose', { timeout: 300_000 }, () => {
  const { bin } = builtAgent();
  const unique = dockerNames('agent');
  let registry: Registry;
  let directory: string;
  let images: { node: string; postgres: string };

  beforeAll(async () => {
    await ensureImages(debianImage, busyboxImage);
    directory = mkdtempSync(join(tmpdir(), 'semaphore-test-'));
    registry = await startRegistry({ user: 'bot', password: 's3cr3t' });
    images = {
      node: await makeImage('node:20', debianImage, { '/usr/local/bin/npm': npm }),
      postgres: await makeImage('postgres:16', busyboxImage, {
        '/usr/local/bin/docker-entrypoint.sh': postgres,
        '/etc/passwd': 'root:x:0:0::/:/bin/sh\npostgres:x:70:70::/:/bin/sh\n',
      }),
    };
  }, 600_000);

  afterAll(async () => {
    await registry?.stop();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  /** An image with further files, in the registry only. */
  async function makeImage(name: string, from: string, files: Record<string, string>): Promise<string> {
    const container = `${unique}-${name.replace(':', '-')}`;
    await docker(['create', '--name', container, from, 'sh']);
    const tree = mkdtempSync(join(directory, 'tree-'));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      writeFileSync(join(tree, path), text, { mode: 0o755 });
    }
    chmodSync(tree, 0o755);
    await docker(['cp', `${tree}/.`, `${container}:/`]);
    const local = `${unique}/${name}`;
    await docker(['commit', '--change', 'VOLUME /data', container, local]);
    await docker(['rm', container]);
    // Under a name of the test's, which takes what the jobs have pulled away with it.
    const pushed = await pushImage(local, registry, local);
    await docker(['rmi', local]);
    return pushed;
  }

  /** The example, with the first container's name ours, because others on this host may have theirs. */
  function example(place: Place, name: string, logger: object): Record<string, unknown> {
    const text = readFileSync(join(import.meta.dirname, '../protocol/ci-full-job.json'), 'utf8')
      .replace('registry.example.test/node:20', images.node)
      .replace('"postgres:16"', JSON.stringify(images.postgres))
      .replace(base64('registry.example.test'), base64(registry.address))
      .replace('"name": "main"', `"name": "${name}"`)
      .replace('/var/cache/ci', join(place.home, 'cache/ci'));
    return { ...JSON.parse(text), logger };
  }

  function expectWhole(said: string): void {
    expect(said).toContain('Setting up credentials for Docker\n');
    expect(said).toContain('Login Succeeded\n');
    for (const word of ['ci', 'test']) {
      expect(said).toContain(`npm ${word} true it's fine $HOME test\naudit=false\nhi\nrun\n`);
    }
    expect(said.split('the database: postgres -c fsync=off, pw\npostgres\n')).toHaveLength(3);
    expect(said).toContain('result is passed\n');
    expect(said).toContain('good\n');
    expect(said).not.toContain('bad\n');
  }

  /** Nothing of the job is left, in the engine, on the disk, or in the user's configuration of docker. */
  async function expectNothingLeft(place: Place, name: string): Promise<void> {
    expect(await docker(['ps', '--all', '--quiet', '--filter', `name=${name}`])).toBe('');
    expect(readdirSync(place.tmp).filter((entry) => /^semaphore-(?:ci|docker|session|job)-/.test(entry))).toEqual([]);
    expect(existsSync(join(place.home, '.docker'))).toBe(false);
    expect(existsSync(join(place.home, 'cache/ci'))).toBe(true);
  }

  const env = (place: Place): Record<string, string> => place.env;

  it('runs the example by agent run', async () => {
    const place = newPlace();
    const name = `${unique}-run`;
    const file = join(place.home, 'job.json');
    writeFileSync(file, JSON.stringify(example(place, name, { method: 'pull' })));
    const agent = startProgram(bin(), ['run', '--unfold', file], { env: env(place), cwd: place.home });
    expect(await agent.ended, agent.out() + agent.err()).toEqual({ code: 0, signal: null });
    expectWhole(agent.out());
    expect(agent.out()).toContain('Pulling docker images...');
    expect(agent.out()).toContain('Starting the docker image...\nStarting a new bash session.\n');
    await expectNothingLeft(place, name);
  });

  it('runs the example by agent start, with a log that is pushed', async () => {
    const place = newPlace();
    const name = `${unique}-start`;
    const hub = await startTestHub({ nextSyncAfterMs: [100, 200] });
    const { logger: _pushed, ...job } = example(place, name, {});
    const id = hub.enqueue(job);
    const args = ['start', '--endpoint', hub.endpoint, '--no-https', '--token', hub.token, '--disconnect-after-job'];
    const agent = startProgram(bin(), args, { env: env(place), cwd: place.home });
    expect(await agent.ended, agent.out() + agent.err()).toEqual({ code: 0, signal: null });
    expect(hub.job(id).result).toBe('passed');
    const shown = renderEvents(hub.job(id).lines);
    expect(shown.filter((line) => line.startsWith('directive: ')).slice(0, 5)).toEqual([
      'directive: Setting up image pull credentials',
      'directive: Pulling docker images...',
      'directive: Starting the docker image...',
      'directive: Exporting environment variables',
      'directive: Injecting Files',
    ]);
    expectWhole(shown.join('\n'));
    await expectNothingLeft(place, name);
  });

  it('runs the example by agent serve', async () => {
    const place = newPlace();
    const name = `${unique}-serve`;
    const args = ['serve', '--auth-token-secret', secret, '--host', '127.0.0.1', '--port=0', '--self-signed'];
    const agent = startProgram(bin(), [...args, '--expose-kvm-device=false'], { env: env(place), cwd: place.home });
    const listening = /https:\/\/127\.0\.0\.1:\d+/;
    await until(
      () => listening.test(agent.out()),
      'the server',
      () => agent.out(),
    );
    const url = listening.exec(agent.out())?.[0] ?? '';
    const job = example(place, name, { method: 'pull' });
    await postJob(url, job);
    let log = '';
    for (let turn = 0; turn < 600 && !log.includes('result is passed'); turn += 1) {
      log = (await ask(url, `/jobs/${String(job['job_id'])}/log`)).body;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    agent.kill('SIGTERM');
    for (let turn = 0; turn < 600 && !log.includes('job_finished'); turn += 1) {
      log = (await ask(url, `/jobs/${String(job['job_id'])}/log`)).body;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expectWhole(renderEvents(log.trim().split('\n')).join('\n'));
    await ask(url, `/jobs/${String(job['job_id'])}/log`, { headers: { 'x-client-name': 'archivator' } });
    expect(await agent.ended).toEqual({ code: 0, signal: null });
    await expectNothingLeft(place, name);
  });

  it('removes at its next start what a killed one has left, and nothing of one that lives', async () => {
    const place = newPlace();
    const job = (name: string): string => {
      const file = join(place.home, `${name}.json`);
      const containers = [
        { name: `${unique}-${name}`, image: debianImage },
        { name: 'db', image: busyboxImage, command: 'sleep 600' },
      ];
      const commands = [{ directive: 'echo ready; sleep 600' }];
      writeFileSync(file, JSON.stringify({ executor: 'dockercompose', compose: { containers }, commands }));
      return file;
    };
    const projects = (): string[] => readdirSync(place.tmp).filter((entry) => entry.startsWith('semaphore-ci-'));
    const begin = async (name: string) => {
      const before = projects();
      const agent = startProgram(bin(), ['run', job(name)], { env: env(place), cwd: place.home });
      await until(
        () => /^ready$/m.test(agent.out()),
        'the job',
        () => agent.out() + agent.err(),
      );
      return { agent, project: projects().find((project) => !before.includes(project)) ?? '' };
    };
    const killed = await begin('killed');
    const living = await begin('living');
    killed.agent.kill('SIGKILL');
    await killed.agent.ended;
    // Volumes have no container of this job's to go with.
    await docker(['volume', 'create', '--label', `com.docker.compose.project=${killed.project}`, `${unique}-volume`]);
    expect((await thingsOf(killed.project)).length).toBeGreaterThanOrEqual(3);
    expect(projects().toSorted()).toEqual([killed.project, living.project].toSorted());

    const hub = await startTestHub({ nextSyncAfterMs: [100, 200] });
    const args = ['start', '--endpoint', hub.endpoint, '--no-https', '--token', hub.token];
    const next = startProgram(bin(), args, { env: env(place), cwd: place.home });
    await until(
      () => next.out().includes('has left of a docker compose job is removed'),
      'the removal',
      () => next.out(),
    );
    expect(await thingsOf(killed.project)).toEqual([]);
    expect(await docker(['ps', '--all', '--quiet', '--filter', `name=${unique}-killed`])).toBe('');
    expect(projects()).toEqual([living.project]);
    expect(await docker(['exec', `${unique}-living`, 'echo', 'lives'])).toBe('lives');
    living.agent.kill('SIGINT');
    expect(await living.agent.ended).toEqual({ code: 130, signal: null });
    expect(await thingsOf(living.project)).toEqual([]);
    expect(projects()).toEqual([]);
  });
});
