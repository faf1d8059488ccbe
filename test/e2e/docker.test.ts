import { spawnSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { busyboxImage, debianImage, ensureImages, needsDocker } from '../support/docker/index.ts';
import { createDockerWorld, dockerSync, expectNothingOnEngine, thingsOf } from '../support/docker-world.ts';
import type { World } from '../support/e2e/world.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs, toolPath } from '../support/tools.ts';

/** Tasks in containers of a real Docker engine, by way of the built program and the embedded server. */

function script(id: number, playbook: string, more: Readonly<Record<string, unknown>> = {}) {
  return {
    id,
    name: `${id} ${playbook}`,
    app: 'bash',
    playbook,
    repository: 'main',
    allow_parallel_tasks: true,
    ...more,
  };
}

const where = `#!/bin/sh
[ ! -e /etc/os-release ] || . /etc/os-release
echo "in \${ID:-busybox}, \${0##*/} of $(pwd), home $HOME"
`;

const eater = `#!/usr/bin/env bash
echo "before"
python3 -c 'x = bytearray(400 * 1024 * 1024); print(len(x))'
echo "python ended with $?"
exit 3
`;

const polite = `#!/usr/bin/env bash
trap 'echo "tidying up"; sleep 0.5; echo "tidied up"; exit 3' TERM
(trap '' TERM; while :; do sleep 1; done) &
echo ready
while :; do sleep 0.05; done
`;

const long = `#!/usr/bin/env bash
for ((n = 1; n <= 300; n++)); do echo "line $n"; sleep 0.02; done
`;

/** Leaves something behind that has to be killed. */
const leaving = `#!/usr/bin/env bash
(trap '' TERM; exec >/dev/null 2>&1; while :; do sleep 1; done) &
echo done
`;

const files = {
  'where.sh': where,
  'eater.sh': eater,
  'polite.sh': polite,
  'long.sh': long,
  'leaving.sh': leaving,
  'main.tf': `
variable "word" { sensitive = true }
resource "terraform_data" "one" { input = "made" }
output "made" { value = terraform_data.one.output }
`,
};

async function finished(world: World, id: number) {
  const { status } = await world.api.waitUntilFinished(id);
  return { status, log: await world.api.log(id) };
}

describe.runIf(needsDocker())('a runner whose tasks run in containers', () => {
  beforeAll(() => ensureImages(busyboxImage, debianImage), 600_000);

  it('runs each in the image of its template, with the limits, and tells of memory', async () => {
    const world = await createDockerWorld({
      files,
      docker: { image: busyboxImage, memory_limit: '200m', cpu_limit: 1 },
      project: {
        templates: [
          script(1, 'where.sh', { app: 'sh' }),
          script(2, 'where.sh', { executor_image: debianImage }),
          script(3, 'eater.sh', { executor_image: debianImage }),
          script(4, 'where.sh', { executor_image: 'semaphore-test/none' }),
        ],
      },
    });
    await world.startServer();
    world.startRunner();
    const ids = [];
    for (const template of [1, 2, 3, 4]) ids.push(await world.api.startTask(template));
    const [plain, own, eaten, missing] = await Promise.all(ids.map((id) => finished(world, id)));
    expect(plain).toMatchObject({ status: 'success' });
    expect(plain?.log.join('\n')).toMatch(/^in busybox, where\.sh of \/workspace\/.*, home \/workspace/m);
    expect(own?.log.join('\n')).toMatch(/^in debian, where\.sh of \/workspace\//m);
    expect(eaten).toMatchObject({ status: 'error' });
    expect(eaten?.log).toContain('python ended with 137');
    expect(eaten?.log.at(-1)).toContain(
      'The task needed more memory than it may have (200m, runner.executor.docker.memory_limit): the system killed a process of it.',
    );
    expect(missing).toMatchObject({ status: 'error' });
    expect(missing?.log.at(-1)).toMatch(
      /^Task failed in prepare: Cannot use the image semaphore-test\/none: the local Docker engine does not have it/,
    );
    await expectNothingOnEngine(world);
  });

  it('stops a task with the grace of its tool, and removes what does not end', async () => {
    const world = await createDockerWorld({
      files,
      docker: { image: debianImage },
      project: { templates: [script(1, 'polite.sh')] },
      runner: { stop_grace_seconds: 10 },
    });
    await world.startServer();
    world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'ready');
    await world.api.stopTask(id);
    const { log, status } = await finished(world, id);
    expect(status).toBe('stopped');
    expect(log.slice(-3)).toEqual(['tidying up', 'tidied up', 'Task was stopped.']);
    await expectNothingOnEngine(world);
    await world.expectNoSurvivors();
  });

  it('says why a task fails whose containers somebody has removed, also while there was no runner', async () => {
    const world = await createDockerWorld({
      files,
      docker: { image: debianImage },
      project: { templates: [script(1, 'polite.sh')] },
    });
    await world.startServer();
    const runner = world.startRunner();
    const ids = [await world.api.startTask(1), await world.api.startTask(1)] as const;
    const [first, second] = ids;
    await world.api.waitForLine(first, 'ready');
    await world.api.waitForLine(second, 'ready');
    const of = (id: number) => thingsOf(world).containers.filter((name) => name.startsWith(`semaphore-task-${id}-`));
    dockerSync(['rm', '--force', ...of(first)]);
    const removed = await finished(world, first);
    expect(removed.status).toBe('error');
    // It is seen at the moment of its end, or after that.
    expect(removed.log.at(-1)).toMatch(
      /^Task failed in run: bash was ended: the build container (was removed by somebody else|ended with 137; somebody stopped it)/,
    );
    runner.child.kill('SIGKILL');
    await world.end(runner);
    dockerSync(['rm', '--force', ...of(second)]);
    world.startRunner();
    const vanished = await finished(world, second);
    expect(vanished.status).toBe('error');
    expect(vanished.log.at(-1)).toMatch(
      /^Task failed in prepare: the containers of this task are gone: they were removed, or have ended, while no runner was there/,
    );
    await expectNothingOnEngine(world);
  });

  it('that is left to the next one by SIGUSR2, or was killed, goes on: the log is complete', async () => {
    const world = await createDockerWorld({
      files,
      docker: { image: debianImage },
      project: { templates: [script(1, 'long.sh')] },
    });
    await world.startServer();
    // A task goes on where it is, whatever the configuration says by now.
    const lives = [
      ['SIGUSR2', {}],
      ['SIGKILL', { SEMAPHORE_RUNNER_EXECUTOR_TYPE: 'local' }],
    ] as const;
    for (const [signal, changed] of lives) {
      const runner = world.startRunner();
      const id = await world.api.startTask(1);
      await world.api.waitForLine(id, 'line 20');
      runner.child.kill(signal);
      await world.end(runner);
      const next = world.startRunner(changed);
      const { log, status } = await finished(world, id);
      expect(status).toBe('success');
      expect(log.filter((line) => line.startsWith('line '))).toEqual(
        Array.from({ length: 300 }, (_, index) => `line ${index + 1}`),
      );
      await expectNothingOnEngine(world);
      next.child.kill('SIGTERM');
      expect(await world.end(next)).toMatchObject({ code: 0 });
    }
  });

  it('ends only when the containers of its tasks are removed', async () => {
    const world = await createDockerWorld({
      files,
      docker: { image: debianImage },
      project: { templates: [script(1, 'leaving.sh')] },
      runner: { one_off: true },
    });
    await world.startServer();
    world.register();
    const id = await world.api.startTask(1);
    expect(await world.end(world.startRunner(), 120_000)).toMatchObject({ code: 0 });
    expect((await world.api.task(id)).status).toBe('success');
    expect(thingsOf(world)).toEqual({ containers: [], volumes: [] });
  });

  it('that is killed while it removes containers leaves that to the next one', async () => {
    const world = await createDockerWorld({
      files,
      docker: { image: debianImage, cleanup_grace_seconds: 60 },
      project: { templates: [script(1, 'leaving.sh')] },
    });
    await world.startServer();
    const runner = world.startRunner();
    const id = await world.api.startTask(1);
    expect(await finished(world, id)).toMatchObject({ status: 'success' });
    runner.child.kill('SIGKILL');
    await world.end(runner);
    expect(thingsOf(world).containers).not.toEqual([]);
    // The engine may go on with the stop, or give it up with its caller: end what still runs.
    for (const name of thingsOf(world).containers) spawnSync('docker', ['kill', name]);
    const next = world.startRunner();
    await expectNothingOnEngine(world);
    await expect.poll(() => next.output()).toContain('Removed the containers that an earlier run left');
  });

  it.runIf(needs('terraform'))('runs Terraform there, and waits for its user', async () => {
    const image = dockerNamesFor('terraform');
    const context = tempDir();
    copyFileSync(toolPath('terraform') ?? '', join(context, 'terraform'));
    writeFileSync(join(context, 'Dockerfile'), `FROM ${debianImage}\nCOPY terraform /usr/local/bin/\n`);
    dockerSync(['build', '--quiet', '--tag', image, context]);
    const world = await createDockerWorld({
      files,
      docker: { image },
      project: {
        inventories: [{ name: 'default', type: 'terraform-workspace', inventory: 'default' }],
        variable_groups: [{ name: 'g', variables: {}, secrets: [{ name: 'word', value: 'secret-word-93' }] }],
        templates: [
          {
            id: 1,
            name: 'T',
            app: 'terraform',
            playbook: '',
            repository: 'main',
            inventory: 'default',
            variable_groups: ['g'],
          },
        ],
      },
    });
    await world.startServer();
    const runner = world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitUntil(id, ({ status }) => status === 'waiting_confirmation');
    // Another runner carries out what was confirmed.
    runner.child.kill('SIGKILL');
    await world.end(runner);
    world.startRunner();
    await world.api.text('POST', `/project/1/tasks/${id}/confirm`);
    const { log, status } = await finished(world, id);
    expect({ status, log: log.join('\n') }).toMatchObject({ status: 'success' });
    expect(log.join('\n')).toContain('Apply complete! Resources: 1 added');
    expect(log.join('\n')).not.toContain('secret-word-93');
    await expectNothingOnEngine(world);
  });

  it('starts although its engine is away, says so, and works when that is there', async () => {
    const directory = tempDir();
    const socket = join(directory, 'engine.sock');
    const world = await createDockerWorld({
      files,
      docker: { image: debianImage, host: `unix://${socket}` },
      project: { templates: [script(1, 'where.sh')] },
    });
    await world.startServer();
    const runner = world.startRunner();
    const id = await world.api.startTask(1);
    const first = await finished(world, id);
    expect(first.status).toBe('error');
    expect(first.log.at(-1)).toMatch(
      /^Task failed in prepare: Cannot (use Docker|see what is left of semaphore-task-\S+): the Docker engine at unix:.* does not answer .*Is it running/,
    );
    await said(runner, 'Tasks cannot run as runner.executor says; they fail until that is put right');
    await proxyEngine(socket);
    expect(await finished(world, await world.api.startTask(1))).toMatchObject({ status: 'success' });
    await said(runner, 'Tasks can run as runner.executor says again');
    await expectNothingOnEngine(world);
  });
});

/** What a task meets may be on the server before the runner's own log is here. */
async function said(runner: { output: () => string }, text: string): Promise<void> {
  await vi.waitFor(() => expect(runner.output()).toContain(text), { timeout: 20_000 });
}

function dockerNamesFor(what: string): string {
  const name = `semaphore-test-${what}-${process.pid}`;
  onTestFinished(() => void dockerSync(['rmi', '--force', name]));
  return name;
}

/** Lets the engine be reached through another socket, until the test ends. */
async function proxyEngine(socket: string): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ path: '/var/run/docker.sock', allowHalfOpen: true });
    for (const each of [near, far]) sockets.add(each.on('error', () => undefined));
    near.pipe(far).pipe(near);
  });
  onTestFinished(() => {
    for (const each of sockets) each.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
}
