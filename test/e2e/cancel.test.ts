import { existsSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createWorld, type World, type WorldOptions } from '../support/e2e/world.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

/** A task that is stopped at any moment of its life ends as stopped, and nothing of it stays. */

async function started(options: WorldOptions): Promise<World> {
  const world = await createWorld({ ...options, runner: { stop_grace_seconds: 2, ...options.runner } });
  await world.startServer();
  world.startRunner();
  return world;
}

/** A server that takes connections and never says a word. `asked` resolves with the first one. */
async function silentServer(): Promise<{ url: string; asked: Promise<void> }> {
  const sockets = new Set<Socket>();
  let ask: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (ask = resolve));
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    ask();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`, asked };
}

async function expectStopped(world: World, id: number): Promise<string[]> {
  expect((await world.api.waitUntilFinished(id)).status).toBe('stopped');
  await world.expectNoSurvivors();
  const log = await world.api.log(id);
  expect(log.at(-1)).toBe('Task was stopped.');
  expect(log.filter((line) => line === 'Task was stopped.')).toHaveLength(1);
  return log;
}

const bash = { id: 1, name: 'Script', app: 'bash', playbook: 'script.sh', repository: 'main' };

describe('a stop', () => {
  it('at once, whatever the task has come to, leaves nothing', async () => {
    const world = await started({
      files: { 'script.sh': 'echo started; setsid -f sleep 1000; sleep 1000' },
      project: { templates: [{ ...bash, allow_parallel_tasks: true }] },
    });
    for (const pauseMs of [0, 0, 20, 60, 120, 250, 500]) {
      const id = await world.api.startTask(1);
      await delay(pauseMs);
      await world.api.stopTask(id);
      expect((await world.api.waitUntilFinished(id)).status).toBe('stopped');
    }
    await world.expectNoSurvivors();
  });

  it('twice, and then by force, is one stop', async () => {
    const world = await started({
      files: { 'script.sh': `trap '' TERM; echo started; while :; do sleep 1; done` },
      project: { templates: [bash] },
    });
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'started');
    await world.api.stopTask(id);
    await world.api.stopTask(id);
    await delay(500);
    await world.api.stopTask(id, true);
    expect((await world.api.waitUntilFinished(id)).status).toBe('stopped');
    await world.expectNoSurvivors();
  });

  it('after the end changes nothing', async () => {
    const world = await started({ files: { 'script.sh': 'echo done' }, project: { templates: [bash] } });
    const id = await world.api.startTask(1);
    expect((await world.api.waitUntilFinished(id)).status).toBe('success');
    await world.api.stopTask(id).catch(() => undefined);
    await world.api.stopTask(id, true).catch(() => undefined);
    expect((await world.api.task(id)).status).toBe('success');
    await world.expectNoSurvivors();
  });

  it('while the repository is cloned ends git', async () => {
    const { asked, url } = await silentServer();
    const world = await started({
      files: { 'script.sh': 'echo never' },
      project: {
        repositories: [{ name: 'main', git_url: `${url}/main.git` }],
        templates: [bash],
      },
    });
    const id = await world.api.startTask(1);
    await asked;
    await world.api.stopTask(id);
    expect((await expectStopped(world, id)).join('\n')).not.toContain('never');
  });

  it.runIf(needs('ansible-playbook'))('while roles are fetched ends ansible-galaxy', async () => {
    const { asked, url } = await silentServer();
    const world = await started({
      files: {
        'site.yml': '- hosts: all\n  gather_facts: false\n  tasks: []\n',
        'roles/requirements.yml': `- src: ${url}/role.tar.gz\n  name: role\n`,
      },
      project: {
        inventories: [{ name: 'local', inventory: 'localhost ansible_connection=local\n' }],
        templates: [{ id: 1, name: 'A', app: 'ansible', playbook: 'site.yml', repository: 'main', inventory: 'local' }],
      },
    });
    const id = await world.api.startTask(1);
    await asked;
    await world.api.stopTask(id);
    await expectStopped(world, id);
  });

  it.runIf(needs('ansible-playbook'))('ends what Ansible has put into the background (async)', async () => {
    const playbook = `
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: sleep 1000
      async: 2000
      poll: 0
    - ansible.builtin.debug: { msg: "in the background" }
    - ansible.builtin.command: sleep 1000
`;
    const world = await started({
      files: { 'site.yml': playbook },
      project: {
        inventories: [{ name: 'local', inventory: 'localhost ansible_connection=local\n' }],
        templates: [{ id: 1, name: 'A', app: 'ansible', playbook: 'site.yml', repository: 'main', inventory: 'local' }],
      },
    });
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'in the background');
    await world.api.stopTask(id);
    await expectStopped(world, id);
  });

  it.runIf(needs('terraform'))('while modules are fetched ends terraform init', async () => {
    const { asked, url } = await silentServer();
    const world = await started({
      files: { 'main.tf': `module "m" {\n  source = "${url}/module.zip"\n}\n` },
      project: {
        inventories: [{ name: 'default', type: 'terraform-workspace', inventory: 'default' }],
        templates: [{ id: 1, name: 'T', app: 'terraform', playbook: '', repository: 'main', inventory: 'default' }],
      },
    });
    const id = await world.api.startTask(1);
    await asked;
    await world.api.stopTask(id);
    await expectStopped(world, id);
  });

  it.runIf(needs('terraform'))('of Terraform leaves it the time to unlock its state', async () => {
    const state = join(tempDir(), 'state.tfstate');
    const main = `
terraform {
  backend "local" { path = "${state}" }
}
resource "terraform_data" "slow" {
  provisioner "local-exec" {
    interpreter = ["bash", "-c"]
    command     = "trap 'sleep 2; exit 1' INT; echo applying; while :; do sleep 0.1; done"
  }
}
`;
    const world = await started({
      files: { 'main.tf': main },
      project: {
        inventories: [{ name: 'default', type: 'terraform-workspace', inventory: 'default' }],
        templates: [
          {
            id: 1,
            name: 'T',
            app: 'terraform',
            playbook: '',
            repository: 'main',
            inventory: 'default',
            task_params: { auto_approve: true },
          },
        ],
      },
      // Less than it needs: Terraform has its own.
      runner: { stop_grace_seconds: 1 },
    });
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'applying');
    const lock = join(dirname(state), '.state.tfstate.lock.info');
    expect(existsSync(lock)).toBe(true);
    await world.api.stopTask(id);
    const log = await expectStopped(world, id);
    expect(log.join('\n')).toContain('Interrupt received');
    expect(log.join('\n')).not.toContain('Two interrupts received');
    expect(existsSync(lock)).toBe(false);
  });

  it('while a long log is uploaded ends the task, with its last line last', async () => {
    const world = await started({
      files: { 'script.sh': 'echo started; head -c 30000000 /dev/zero | tr "\\\\0" x | fold -w 200; sleep 1000' },
      project: { templates: [bash] },
    });
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'started');
    await world.api.stopTask(id);
    await expectStopped(world, id);
  });
});

describe('a task that is stopped, out of time and on a runner that is shut down, all at once', () => {
  it('ends once, with nothing left', async () => {
    const world = await createWorld({
      files: { 'script.sh': `trap '' TERM; setsid sleep 1000 & echo started; while :; do sleep 1; done` },
      project: { templates: [bash] },
      runner: { stop_grace_seconds: 4, task_timeout_seconds: 3 },
    });
    await world.startServer();
    const runner = world.startRunner();
    const id = await world.api.startTask(1);
    await world.api.waitForLine(id, 'started');
    runner.child.kill('SIGTERM');
    await delay(1500);
    await world.api.stopTask(id);
    runner.child.kill('SIGTERM');
    expect(await world.end(runner)).toEqual({ code: 143, signal: null });
    expect((await world.api.task(id)).status).toMatch(/^(stopped|error)$/);
    const log = await world.api.log(id);
    expect(log.filter((line) => /Task was stopped|ran longer/.test(line))).toHaveLength(1);
    await world.expectNoSurvivors();
  });
});

describe('a task that is out of time', () => {
  it('fails on the server, too, and says why', async () => {
    const world = await started({
      files: { 'script.sh': 'echo started; setsid -f sleep 1000; sleep 1000' },
      project: { templates: [bash] },
      runner: { task_timeout_seconds: 2 },
    });
    const id = await world.api.startTask(1);
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    expect((await world.api.log(id)).at(-1)).toBe(
      'Task failed in run: it ran longer than 2 s (runner.task_timeout_seconds).',
    );
    await world.expectNoSurvivors();
  });
});
