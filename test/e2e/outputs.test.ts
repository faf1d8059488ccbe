import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ensureBuilt, startProgram } from '../support/e2e/program.ts';
import { eventually } from '../support/runner.ts';
import { bashJob, ScriptedServer } from '../support/scripted-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

/** The embedded server has no workflows, so a scripted one hands the task out. */
it.runIf(needs('ansible-playbook'))('the built program reports what a playbook of a workflow hands on', async () => {
  ensureBuilt();
  const directory = tempDir();
  const repository = join(directory, 'repository');
  mkdirSync(repository);
  writeFileSync(
    join(repository, 'site.yml'),
    '- {hosts: all, gather_facts: false, tasks: [{set_stats: {data: {answer: 42}}}]}\n',
  );
  const server = new ScriptedServer();
  await server.listen();
  onTestFinished(() => server.close());
  const ids = { template_id: 1, project_id: 1 };
  const more = {
    task: { id: 1, ...ids, status: 'starting', playbook: '', workflow_run_id: 8, limit: '' },
    template: { id: 1, project_id: 1, repository_id: 1, name: 'play', playbook: 'site.yml', app: 'ansible', tasks: 1 },
    inventory: {
      id: 1,
      name: 'here',
      project_id: 1,
      type: 'static',
      inventory: 'localhost ansible_connection=local\n',
    },
  };
  server.offer(1, bashJob(1, repository, 'site.yml', more));
  const config = join(directory, 'runner.json');
  const runner = { token: 'the-runner-token', one_off: true };
  writeFileSync(config, JSON.stringify({ web_host: server.url, tmp_path: join(directory, 'work'), runner }), {
    mode: 0o600,
  });
  const program = startProgram(['runner', 'start', '--config', config], {
    cwd: directory,
    env: { PATH: process.env['PATH'] ?? '', HOME: directory },
    log: join(directory, 'runner.log'),
  });
  onTestFinished(async () => {
    program.child.kill('SIGKILL');
    await program.ended;
  });
  await eventually(() => server.status(1) === 'success' || server.status(1) === 'error', 40_000);
  expect({ lines: server.lines(1), outputs: server.arrived.get(1)?.outputs }).toMatchObject({
    outputs: [{ status: 'success', document: '{"values":{"answer":42},"skipped":{}}' }],
  });
  expect((await program.ended).code).toBe(0);
});
