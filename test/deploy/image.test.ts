import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { startTestHub, until } from '../ci-hub/index.ts';
import { docker, dockerNames, needsDocker } from '../support/docker/index.ts';
import { createWorld } from '../support/e2e/world.ts';
import { startGitHttp } from '../support/git-http.ts';
import { TestRepository } from '../support/git-repository.ts';
import { tempDir } from '../support/temp-dir.ts';
import { buildImage } from './image-support.ts';

/** The image of deploy/docker/Dockerfile, built and started: spec 1.7, with the environment as the only configuration. */

const files = {
  'where.sh': [
    '#!/usr/bin/env bash',
    'echo "uid $(id -u) gid $(id -g) home $HOME"',
    'touch /opt/here 2> /dev/null && echo "writable" || echo "not writable"',
    // Orphans, which somebody has to reap when they have ended.
    'for n in 1 2 3; do (setsid sh -c "sleep 0.1" &); done',
    'sleep 0.5; echo "the end"',
  ].join('\n'),
  'long.sh': '#!/usr/bin/env bash\necho started; sleep 300',
  'site.yml': '- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.ping:\n',
};
const templates = [
  { id: 1, name: 'Where', app: 'bash', playbook: 'where.sh', repository: 'main' },
  { id: 2, name: 'Long', app: 'bash', playbook: 'long.sh', repository: 'main' },
  { id: 3, name: 'Play', app: 'ansible', playbook: 'site.yml', repository: 'main', inventory: 'here' },
];

describe.runIf(needsDocker())('the image', () => {
  const name = dockerNames('image');

  beforeAll(() => buildImage(name), 900_000);

  /** Starts a container in the background; it is removed with the test file. */
  async function start(part: string, options: readonly string[], command: readonly string[] = []): Promise<string> {
    const container = `${name}-${part}`;
    await docker(['run', '--detach', '--network', 'host', '--name', container, ...options, name, ...command]);
    return container;
  }

  /** The server gives out no task before. */
  async function connected(container: string): Promise<void> {
    await expect.poll(() => logs(container), { timeout: 60_000 }).toContain('Runner connected');
  }

  const logs = async (container: string): Promise<string> =>
    (await execa('docker', ['logs', container], { all: true, reject: false })).all;

  /** An embedded server on loopback with a repository that a container can clone, and what a runner needs to know of it. */
  async function stage() {
    const directory = tempDir();
    const repository = new TestRepository(join(directory, 'main'));
    repository.commit(files);
    const { origin } = await startGitHttp({ root: directory });
    const world = await createWorld({
      files: {},
      project: {
        templates,
        repositories: [{ name: 'main', git_url: `${origin}/main/origin.git` }],
        inventories: [{ name: 'here', type: 'static', inventory: 'localhost ansible_connection=local' }],
      },
    });
    await world.startServer();
    const { listen, runners } = JSON.parse(readFileSync(join(world.directory, 'server.yaml'), 'utf8')) as {
      listen: string;
      runners: { registration_token: string };
    };
    const env = {
      SEMAPHORE_WEB_ROOT: `http://${listen}`,
      SEMAPHORE_RUNNER_REGISTRATION_TOKEN: runners.registration_token,
      SEMAPHORE_RUNNER_NAME: 'in-a-container',
      SEMAPHORE_RUNNER_DRAIN_TIMEOUT_SECONDS: '1',
      SEMAPHORE_RUNNER_STOP_GRACE_SECONDS: '1',
    };
    return { ...world, env: Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]) };
  }

  it('is a runner that registers by its environment, without root, and leaves no zombie', async () => {
    const { api, env } = await stage();
    const container = await start('runner', env);
    await connected(container);
    const id = await api.startTask(1);
    expect((await api.waitUntilFinished(id)).status, await logs(container)).toBe('success');
    const lines = await api.log(id);
    expect(lines.find((line) => line.startsWith('uid'))).toMatch(/^uid 1001 gid 0 home \//);
    expect(lines).toContain('not writable');
    expect(lines.at(-1)).toBe('the end');
    const states = () => docker(['exec', container, 'ps', '-e', '-o', 'stat=,comm=']);
    expect(await states()).toMatch(/tini/);
    await expect.poll(states, { timeout: 20_000 }).not.toMatch(/^Z/m);
    expect(await docker(['exec', container, 'stat', '-c', '%a', '/tmp/semaphore/runner_token.txt'])).toBe('600');

    // Ends within the grace, with the running task reported; and is the same runner when it is started again.
    const long = await api.startTask(2);
    await api.waitForLine(long, 'started');
    await docker(['stop', '--time', '100', container]);
    expect(await docker(['inspect', '--format', '{{.State.ExitCode}}', container]), await logs(container)).toBe('0');
    expect((await api.task(long)).status).toBe('stopped');
    await docker(['start', container]);
    const again = await api.startTask(1);
    expect((await api.waitUntilFinished(again)).status, await logs(container)).toBe('success');
    expect((await api.task(again)).runner_id).toBe((await api.task(id)).runner_id);
    // As preStop of the manifests does it.
    await docker(['exec', container, 'sh', '-c', 'kill -USR2 1']);
    expect(await docker(['wait', container]), await logs(container)).toBe('0');
    await docker(['rm', '--force', container]);
  });

  it('runs as any user of group 0, without capabilities, on a read-only file system, and has Ansible', async () => {
    const { api, env } = await stage();
    const restricted = ['--user', '4711:0', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--read-only'];
    const writable = ['--tmpfs', '/tmp:exec', '--tmpfs', '/home/semaphore:mode=770,gid=0'];
    const container = await start('restricted', [...restricted, ...writable, ...env]);
    await connected(container);
    for (const template of [1, 3]) {
      const id = await api.startTask(template);
      const { status } = await api.waitUntilFinished(id);
      expect(status, `${(await api.log(id)).join('\n')}\n${await logs(container)}`).toBe('success');
      if (template === 1) expect((await api.log(id)).join('\n')).toContain('uid 4711 gid 0');
    }
    await docker(['rm', '--force', container]);
  });

  it('is an agent for `agent`', async () => {
    const hub = await startTestHub();
    const env = { ENDPOINT: hub.endpoint, TOKEN: hub.token, NO_HTTPS: 'true', NAME: 'agent-in-a-container' };
    const options = Object.entries(env).flatMap(([key, value]) => ['--env', `SEMAPHORE_AGENT_${key}=${value}`]);
    const container = await start('agent', options, ['agent']);
    const id = hub.enqueue({
      executor: 'shell',
      env_vars: [{ name: 'WORD', value: Buffer.from('magic').toString('base64') }],
      commands: [{ directive: 'echo "$WORD of $(id -u)"' }],
    });
    await until(() => hub.job(id).result !== undefined, `the end of the job; ${await logs(container)}`);
    expect(hub.job(id).result).toBe('passed');
    expect(hub.job(id).lines.join('\n')).toContain('magic of 1001');
    // An agent ends when the server has said so, which it does at once when nothing runs.
    await docker(['stop', '--time', '100', container]);
    expect(await docker(['inspect', '--format', '{{.State.ExitCode}}', container]), await logs(container)).toBe('0');
    expect(hub.agents()).toEqual([]);
  });

  it('installs requirements.txt for the Python of the tasks, and executes what it is given', async () => {
    const directory = tempDir();
    const wheel = join(directory, 'testthing-1.0-py3-none-any.whl');
    const parts = join(directory, 'parts');
    mkdirSync(join(parts, 'testthing-1.0.dist-info'), { recursive: true });
    writeFileSync(join(parts, 'testthing.py'), 'answer = 42\n');
    const info = (file: string, text: string) => writeFileSync(join(parts, 'testthing-1.0.dist-info', file), text);
    info('METADATA', 'Metadata-Version: 2.1\nName: testthing\nVersion: 1.0\n');
    info('WHEEL', 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n');
    info('RECORD', 'testthing.py,,\n');
    await execa('python3', ['-m', 'zipfile', '-c', wheel, 'testthing.py', 'testthing-1.0.dist-info'], { cwd: parts });
    writeFileSync(join(directory, 'requirements.txt'), '--no-index\n/etc/semaphore/testthing-1.0-py3-none-any.whl\n');
    await execa('chmod', ['-R', 'a+rX', directory]);
    const mount = ['--volume', `${directory}:/etc/semaphore:ro`];
    const script = 'import testthing, sys; print("answer", testthing.answer, sys.prefix)';
    const run = ['run', '--rm', '--network', 'none', '--name', `${name}-pip`, '--user', '4711:0', ...mount, name];
    expect(await docker([...run, 'python3', '-c', script])).toContain('answer 42 /opt/semaphore/venv');
  });

  it('names what is in it, holds no root and no keychain, and can reach a cluster', async () => {
    const [image] = JSON.parse(await docker(['image', 'inspect', name])) as [
      { Config: { User: string; Labels: Record<string, string>; Entrypoint: string[] } },
    ];
    expect(image.Config.User).toBe('1001:0');
    expect(image.Config.Entrypoint).toEqual(['tini', '--', 'runner-wrapper']);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(image.Config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'semaphore',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.licenses': 'MIT',
    });
    const script = [
      'for tool in ansible-playbook bash git python3 pip3 ssh sshpass; do command -v $tool > /dev/null || echo "no $tool"; done',
      'cd /opt/semaphore/program',
      'ls node_modules/@napi-rs 2> /dev/null',
      'find . -user 1001 -o -perm -002 ! -type l',
      `node --input-type=module -e "await import('@kubernetes/client-node'); await import('@lydell/node-pty')"`,
    ].join('\n');
    expect(
      await docker(['run', '--rm', '--network', 'none', '--name', `${name}-look`, name, 'bash', '-c', script]),
    ).toBe('');
  });
});
