import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadRunnerConfig } from '../../src/config/index.ts';
import { runRunner } from '../../src/runner/index.ts';
import { registrationToken, TestServer } from '../server/support/test-server.ts';
import { eventually, recordingLogger } from '../support/runner.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

const here = needs('terraform');

const one = 'resource "terraform_data" "one" {\n  input = "first"\n}\n';
const backend = (path: string): string => `terraform {\n  backend "local" {\n    path = "${path}"\n  }\n}\n`;

/** The embedded server with one terraform template, and a runner of ours in this process. */
async function stage(files: Record<string, string>) {
  const repository = tempDir('tf-');
  for (const [name, content] of Object.entries(files)) writeFileSync(join(repository, name), content);
  const server = await TestServer.start({
    project: {
      repositories: [{ id: 1, name: 'infrastructure', git_url: repository }],
      inventories: [{ id: 1, name: 'production', type: 'terraform-workspace', inventory: 'default' }],
      templates: [{ id: 1, name: 'Live', app: 'terraform', repository: 'infrastructure', inventory: 'production' }],
    },
  });
  const answer = await fetch(`${server.url}/api/internal/runners`, {
    method: 'POST',
    body: JSON.stringify({ registration_token: registrationToken, enabled: true, max_parallel_tasks: 2 }),
  });
  const { token } = (await answer.json()) as { token: string };
  const directory = tempDir();
  const work = join(directory, 'work');
  const configPath = join(directory, 'runner.json');
  const config = {
    web_host: server.url,
    tmp_path: work,
    env_vars: { CHECKPOINT_DISABLE: '1', TF_CLI_CONFIG_FILE: '/dev/null' },
    runner: { token, max_parallel_tasks: 2 },
  };
  writeFileSync(configPath, JSON.stringify(config), { mode: 0o600 });
  const loaded = await loadRunnerConfig({ configPath, env: { PATH: process.env['PATH'] }, cwd: directory });
  const drain = new AbortController();
  const cancel = new AbortController();
  const ended = runRunner({
    loaded,
    logger: recordingLogger().logger,
    stdout: () => undefined,
    shutdown: { drain: drain.signal, cancel: cancel.signal, leave: new AbortController().signal },
  });
  onTestFinished(async () => {
    drain.abort('SIGTERM');
    cancel.abort('SIGTERM');
    await ended.catch(() => undefined);
  });
  /** Statuses that the server has shown, each once in a row. */
  const statuses: string[] = [];
  const reach = async (id: number, wanted: string): Promise<void> => {
    const end = Date.now() + 60_000;
    for (;;) {
      const status = await server.status(id);
      if (statuses.at(-1) !== status) statuses.push(status);
      if (status === wanted) return;
      if (Date.now() > end || ['success', 'error', 'stopped'].includes(status)) {
        throw new Error(`${status} instead of ${wanted}:\n${(await server.log(id)).join('\n')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const say = async (id: number, what: string): Promise<void> => {
    const { status, text } = await server.call('POST', `/api/project/1/tasks/${id}/${what}`, {});
    expect([status, text]).toEqual([204, '']);
  };
  /** Plan files below the work directory. */
  const plans = () =>
    existsSync(work)
      ? readdirSync(work, { recursive: true, encoding: 'utf8' }).filter((name) => /task_\d+\/plan$/.test(name))
      : [];
  return { repository, server, reach, say, statuses, plans };
}

describe.runIf(here)('a terraform task, from the server through the runner and back', () => {
  it('waits for a confirmation, and applies then', async () => {
    const { repository, server, reach, say, statuses, plans } = await stage({ 'main.tf': one });
    const id = await server.createTask();
    await reach(id, 'waiting_confirmation');
    expect(plans()).toHaveLength(1);
    expect(existsSync(join(repository, 'terraform.tfstate'))).toBe(false);
    expect((await server.log(id)).at(-1)).toBe(
      'Waiting for a decision: confirm this plan to have it applied as it is, or reject it.',
    );
    await say(id, 'confirm');
    await reach(id, 'success');
    expect(statuses.filter((status) => !['waiting', 'starting', 'running', 'confirmed'].includes(status))).toEqual([
      'waiting_confirmation',
      'success',
    ]);
    expect((await server.log(id)).at(-1)).toBe('Summary: 1 added, 0 changed, 0 destroyed.');
    expect(readFileSync(join(repository, 'terraform.tfstate'), 'utf8')).toContain('first');
    expect(plans()).toEqual([]);
  });

  it('ends in error when the plan is rejected', async () => {
    const { repository, server, reach, say, plans } = await stage({ 'main.tf': one });
    const id = await server.createTask();
    await reach(id, 'waiting_confirmation');
    await say(id, 'reject');
    await reach(id, 'error');
    expect((await server.log(id)).at(-1)).toBe('Task failed in run: the plan was rejected. Nothing was changed.');
    expect(existsSync(join(repository, 'terraform.tfstate'))).toBe(false);
    expect(plans()).toEqual([]);
  });

  it('stops while it waits', async () => {
    const { server, reach, say, plans } = await stage({ 'main.tf': one });
    const id = await server.createTask();
    await reach(id, 'waiting_confirmation');
    await say(id, 'stop');
    await reach(id, 'stopped');
    expect((await server.log(id)).at(-1)).toBe('Task was stopped.');
    expect(plans()).toEqual([]);
  });

  it('ends when it is torn away while it waits', async () => {
    const { server, reach, plans } = await stage({ 'main.tf': one });
    const id = await server.createTask();
    await reach(id, 'waiting_confirmation');
    expect(plans()).toHaveLength(1);
    expect((await server.call('POST', `/api/project/1/tasks/${id}/stop`, { force: true })).status).toBe(204);
    await eventually(() => plans().length === 0, 20_000);
    expect(await server.status(id)).toBe('stopped');
  });

  it.each([
    ['confirm', 'copy', 'Summary: no changes, 0 added, 0 changed, 0 destroyed.'],
    ['reject', 'empty', 'Summary: 1 added, 0 changed, 0 destroyed.'],
  ])(
    'asks about the state and about the plan; the first decision (%s) is not one about the plan',
    async (first, outcome, summary) => {
      const { repository, server, reach, say, statuses } = await stage({
        'main.tf': one,
        'state.tf': backend('a.tfstate'),
      });
      const before = await server.createTask();
      await reach(before, 'waiting_confirmation');
      await say(before, 'confirm');
      await reach(before, 'success');

      writeFileSync(join(repository, 'state.tf'), backend('b.tfstate'));
      const id = await server.createTask();
      await reach(id, 'waiting_confirmation');
      expect((await server.log(id)).join('\n')).toContain('Do you want to copy existing state to the new backend?');
      await say(id, first);
      if (outcome === 'empty') {
        await reach(id, 'running');
        await reach(id, 'waiting_confirmation');
        // Long enough for several polls: the decision of before does not count again.
        await new Promise((resolve) => setTimeout(resolve, 2500));
        expect(await server.status(id)).toBe('waiting_confirmation');
        await say(id, 'confirm');
      }
      await reach(id, 'success');
      expect((await server.log(id)).at(-1)).toBe(summary);
      expect(statuses).toContain('running');
    },
  );
});
