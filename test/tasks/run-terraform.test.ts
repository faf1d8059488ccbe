import { existsSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/runner.ts';
import { testTaskHost } from '../support/task-host.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { argsOf, hostThatDecides, plain, showing, terraformRoom } from './terraform-support.ts';

const here = needs('terraform');

const one = 'resource "terraform_data" "one" {\n  input = "first"\n}\n';

/** Where the plan is, from the arguments of a run. */
function planFileIn(args: readonly string[]): string {
  return args.find((argument) => argument.startsWith('-out='))?.slice('-out='.length) ?? '';
}

describe.runIf(here)('a terraform task', () => {
  it('initialises, selects the workspace, plans, applies the plan and ends with a summary', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const { outcome, lines, task } = await room.run();
    expect(outcome).toEqual({ kind: 'success' });
    expect(task.steps.map(({ key }) => key)).toEqual(['init', 'workspace-list', 'workspace-select', 'plan', 'apply']);
    const plan = planFileIn(argsOf(task, 'plan'));
    expect(task.steps.map(({ args }) => args)).toEqual([
      ['init', '-migrate-state'],
      ['workspace', 'list'],
      ['workspace', 'select', '-or-create=true', 'default'],
      ['plan', '-input=false', '-detailed-exitcode', `-out=${plan}`],
      ['apply', '-input=false', '-auto-approve', plan],
    ]);
    expect(task.steps.every(({ stop }) => stop.signal === 'SIGINT' && stop.graceMs >= 60_000)).toBe(true);
    expect(lines[0]).toBe('Preparing: 4711');
    expect(lines).toContain('Selecting workspace "default"');
    expect(plain(lines)).toContain('Apply complete! Resources: 1 added, 0 changed, 0 destroyed.');
    expect(lines.at(-1)).toBe('Summary: 1 added, 0 changed, 0 destroyed.');
    expect(task.statuses).toEqual([]);
    expect(room.state().resources).toHaveLength(1);
    expect(dirname(plan)).toBe(join(room.project, 'task_4711'));
    expect(existsSync(dirname(plan))).toBe(false);
  });

  it('ends without an apply when there is nothing to do, and never asks then', async () => {
    const room = terraformRoom({ 'main.tf': one });
    await room.run();
    const { outcome, lines, task } = await room.run({ template: { task_params: { auto_approve: false } } });
    expect(outcome).toEqual({ kind: 'success' });
    expect(task.steps.at(-1)?.key).toBe('plan');
    expect(lines.at(-1)).toBe('Summary: no changes, 0 added, 0 changed, 0 destroyed.');
    expect(task.statuses).toEqual([]);
  });

  it('only plans when asked to', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const { outcome, lines, task } = await room.run({ task: { params: { plan: true } } });
    expect(outcome).toEqual({ kind: 'success' });
    expect(task.steps.at(-1)?.key).toBe('plan');
    expect(lines.at(-1)).toBe('Summary: planned, nothing applied: 1 to add, 0 to change, 0 to destroy.');
    expect(existsSync(join(room.repository, 'terraform.tfstate'))).toBe(false);
    room.write('main.tf', 'output "o" {\n  value = 1\n}\n');
    const outputs = await room.run({ task: { params: { plan: true } } });
    expect(outputs.lines.at(-1)).toBe(
      'Summary: planned, nothing applied: no resource would change, but outputs would.',
    );
  });

  it('destroys, upgrades and reconfigures when asked to', async () => {
    const room = terraformRoom({ 'main.tf': one });
    await room.run();
    const params = { destroy: true, upgrade: true, reconfigure: true };
    const { outcome, lines, task } = await room.run({ task: { params } });
    expect(outcome).toEqual({ kind: 'success' });
    expect(argsOf(task, 'init')).toEqual(['init', '-upgrade', '-reconfigure']);
    expect(argsOf(task, 'plan').slice(0, 2)).toEqual(['plan', '-destroy']);
    expect(lines.at(-1)).toMatch(/^Summary: .*1 destroyed\.$/);
    expect(room.state().resources).toEqual([]);
  });

  it('approves by itself only where template and task say so', async () => {
    const asks = async (templateParams: object, params: object) => {
      const room = terraformRoom({ 'main.tf': one });
      const host = await hostThatDecides('rejected');
      await room.run(
        { template: { task_params: { auto_approve: false, ...templateParams } }, task: { params } },
        { host },
      );
      return host.statuses.length > 0;
    };
    expect(await asks({}, { auto_approve: true })).toBe(true);
    expect(await asks({ allow_auto_approve: true }, {})).toBe(true);
    expect(await asks({ allow_auto_approve: true }, { auto_approve: true })).toBe(false);
    expect(await asks({ auto_approve: true }, {})).toBe(false);
  });

  it('applies the plan that was confirmed, whatever the repository says meanwhile', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const host = await testTaskHost();
    const wait = { ...host.host };
    let seen: { file: number; directory: number } | undefined;
    wait.waitForDecision = async () => {
      host.statuses.push('waiting_confirmation');
      const plan = planFileIn(argsOf(host, 'plan'));
      seen = { file: statSync(plan).mode & 0o777, directory: statSync(dirname(plan)).mode & 0o777 };
      room.write('main.tf', one.replace('first', 'second').replace('"one"', '"two"'));
      return 'confirmed';
    };
    const run = await room.run(
      { template: { task_params: { auto_approve: false } } },
      { host: { ...host, host: wait } },
    );
    expect(run.outcome).toEqual({ kind: 'success' });
    expect(seen).toEqual({ file: 0o600, directory: 0o700 });
    expect(host.statuses).toEqual(['waiting_confirmation', 'running']);
    expect(room.state().resources.map(({ name }) => name)).toEqual(['one']);
    expect(run.lines).toContain('The plan was confirmed.');
    expect(existsSync(planFileIn(argsOf(host, 'plan')))).toBe(false);
  });

  it('changes nothing when the plan is rejected', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const host = await hostThatDecides('rejected');
    const { outcome } = await room.run({ template: { task_params: { auto_approve: false } } }, { host });
    expect(outcome).toEqual({
      kind: 'failed',
      reason: 'Task failed in run: the plan was rejected. Nothing was changed.',
    });
    expect(host.statuses).toEqual(['waiting_confirmation']);
    expect(existsSync(join(room.repository, 'terraform.tfstate'))).toBe(false);
    expect(existsSync(planFileIn(argsOf(host, 'plan')))).toBe(false);
  });

  it('stops while it waits, and leaves no plan', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const host = await testTaskHost();
    const run = room.run({ template: { task_params: { auto_approve: false } } }, { host });
    await eventually(() => host.statuses.includes('waiting_confirmation'), 30_000);
    const plan = planFileIn(argsOf(host, 'plan'));
    expect(existsSync(plan)).toBe(true);
    host.stop();
    expect((await run).outcome).toEqual({ kind: 'stopped' });
    expect(existsSync(plan)).toBe(false);
  });

  it('gives terraform the time to save and unlock its state when it is stopped', async () => {
    const slow = `${one}resource "terraform_data" "slow" {\n  depends_on = [terraform_data.one]\n  provisioner "local-exec" {\n    command = "echo has begun; trap '' INT; sleep 1; echo goes on"\n  }\n}\nresource "terraform_data" "never" {\n  depends_on = [terraform_data.slow]\n}\n`;
    const room = terraformRoom({ 'main.tf': slow });
    const host = await testTaskHost();
    const run = room.run({}, { host });
    await eventually(() => host.lines().some((line) => line.includes('has begun')), 30_000);
    host.stop();
    expect((await run).outcome).toEqual({ kind: 'stopped' });
    expect(existsSync(join(room.repository, '.terraform.tfstate.lock.info'))).toBe(false);
    const names = room.state().resources.map(({ name }) => name);
    expect(names).toContain('one');
    expect(names).not.toContain('never');
    expect((await room.run({ task: { params: { destroy: true } } })).outcome).toEqual({ kind: 'success' });
  });

  it('tells what failed', async () => {
    const room = terraformRoom({ 'main.tf': 'resource "terraform_data" "a" {\n  nonsense = 1\n}\n' });
    const { outcome, lines } = await room.run();
    expect(plain(lines).join('\n')).toContain('Error: Unsupported argument');
    expect(outcome).toMatchObject({
      kind: 'failed',
      reason: 'Task failed in run: terraform exited with code 1: Unsupported argument. The lines above tell more.',
    });
    const missing = await room.run({}, { config: { apps: { terraform: { path: 'terrafirm', args: undefined } } } });
    expect(missing.outcome).toMatchObject({
      reason: expect.stringMatching(
        /^Task failed in requirements: terraform cannot be started: terrafirm was not found/,
      ),
    });
  });

  it('runs in the directory of the template, with the executable and arguments of the configuration', async () => {
    const room = terraformRoom({
      'live/prod/main.tf': `module "m" {\n  source = "../../modules/m"\n}\n`,
      'modules/m/main.tf': one,
    });
    const path = join(tempDir(), 'my-terraform');
    writeFileSync(path, '#!/bin/sh\nshift\nexec terraform "$@"\n', { mode: 0o755 });
    const config = { apps: { terraform: { path, args: ['-first'] } } };
    const { outcome, task } = await room.run({ template: { playbook: '/live/prod' } }, { config });
    expect(outcome).toEqual({ kind: 'success' });
    expect(task.steps.every((step) => step.args[0] === '-first' && step.cwd.endsWith('live/prod'))).toBe(true);
    expect(room.state('live/prod/terraform.tfstate').resources).toHaveLength(1);
  });

  it.each([
    [{ playbook: '../other' }, 'leads out of the repository'],
    [{ playbook: 'nowhere' }, 'there is no directory nowhere in the repository'],
    [{ arguments: '{"plan": "x"}' }, 'invalid format of the template extra arguments'],
    [{ task_params: { override_backend: true, backend_filename: '../x.tf' } }, 'the backend file cannot be called'],
  ])('refuses %j', async (template, reason) => {
    const { outcome, task } = await terraformRoom({ 'main.tf': one }).run({ template });
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining(reason) });
    expect(task.steps).toEqual([]);
  });
});

describe.runIf(here)('the arguments of a terraform task', () => {
  it('reach their stages, of template and task, and variables and destroy reach the plan whatever is given (7.1 #30)', async () => {
    const room = terraformRoom({ 'main.tf': showing('a', 'string'), 'c.tf': 'variable "c" {\n  type = string\n}\n' });
    const { outcome, task } = await room.run({
      template: { arguments: '{"init": ["-get=false"], "apply": ["-lock=true"]}', allow_override_args_in_task: true },
      task: { arguments: '{"apply": ["-var", "c=1", "-parallelism=2"]}', params: {} },
      environment: { json: '{"a": "from the group"}' },
    });
    expect(outcome).toEqual({ kind: 'success' });
    expect(argsOf(task, 'init')).toEqual(['init', '-migrate-state', '-get=false']);
    expect(argsOf(task, 'plan').slice(0, 3)).toEqual(['plan', '-var', 'c=1']);
    expect(argsOf(task, 'apply').slice(0, 3)).toEqual(['apply', '-lock=true', '-parallelism=2']);
    expect(room.state().outputs['shown']?.value).toBe('from the group');
  });

  it('may save the plan themselves, as one does with the original', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const { outcome, lines } = await room.run({ template: { arguments: '{"plan": ["-out=p"], "apply": ["p"]}' } });
    expect(outcome).toEqual({ kind: 'success' });
    expect(existsSync(join(room.repository, 'p'))).toBe(false);
    expect(lines).toContain('The plan is kept in a private file: -out=p is left out.');
  });
});

describe.runIf(here)('the variables of a terraform task', () => {
  it('keep their values, whatever type the variable has', async () => {
    const values: [name: string, type: string, json: string][] = [
      ['text', 'string', '"a \\"quoted\\" ${text} %{with} \\n lines"'],
      ['list', 'list(string)', '["a","b c"]'],
      ['map', 'map(object({ n = number, ok = bool }))', '{"k":{"n":1.5,"ok":true}}'],
      ['big', 'number', '12345678901234567890123'],
      ['million', 'number', '1000000'],
      ['flag', 'bool', 'true'],
      ['typed_by_hand', 'list(number)', '"[1, 2]"'],
      ['with-dash', 'string', '"dashed"'],
      ['version_text', 'string', '1.10'],
    ];
    const declarations = values.map(
      ([name, type]) => `variable "${name}" {\n  type = ${type}\n}\noutput "${name}" {\n  value = var.${name}\n}\n`,
    );
    const nothing =
      'variable "nothing" {\n  default = "the default"\n}\noutput "nothing" {\n  value = var.nothing == null\n}\n';
    const room = terraformRoom({ 'main.tf': declarations.join('') + nothing });
    const json = `{${values.map(([name, , value]) => `"${name}":${value}`).join(',')},"nothing":null,"undeclared":"x"}`;
    const { outcome, lines } = await room.run({ environment: { json } });
    expect(plain(lines).join('\n')).not.toContain('Error');
    expect(outcome).toEqual({ kind: 'success' });
    const { outputs } = room.state();
    expect(Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value]))).toMatchObject({
      text: 'a "quoted" ${text} %{with} \n lines',
      list: ['a', 'b c'],
      map: { k: { n: 1.5, ok: true } },
      million: 1_000_000,
      flag: true,
      typed_by_hand: [1, 2],
      'with-dash': 'dashed',
      version_text: '1.10',
      nothing: true,
    });
    expect(room.read('terraform.tfstate')).toMatch(/"value": 12345678901234567890123,/);
  });

  it('win over files of the repository and arguments, as in the original', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const room = terraformRoom({
      'main.tf': names
        .map(
          (name) =>
            `variable "${name}" {\n  type = ${name === 'c' ? 'list(string)' : 'string'}\n}\noutput "${name}" {\n  value = var.${name}\n}\n`,
        )
        .join(''),
      'terraform.tfvars': 'a = "file"\nc = ["file"]\n',
      'x.auto.tfvars.json': '{"b":"file"}',
      'prod.tfvars': 'd = "file"',
    });
    const { outcome } = await room.run({
      template: { arguments: '["-var-file=prod.tfvars"]' },
      environment: { json: '{"a":"ours","b":"ours","c":"[\\"ours\\"]","d":"ours"}' },
    });
    expect(outcome).toEqual({ kind: 'success' });
    const { outputs } = room.state();
    expect(names.map((name) => outputs[name]?.value)).toEqual(['ours', 'ours', ['ours'], 'ours']);
  });

  it('that cannot be variables are named in the log', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const { outcome, lines } = await room.run({ environment: { json: '{"my.name":"x"}' } });
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines.find((line) => line.startsWith('Not given to the tool'))).toContain('"my.name"');
  });

  it('that are secret are in no argument, no file of ours and nowhere when the task has ended', async () => {
    const secrets = {
      group: 'group-secret-1',
      survey: 'survey-secret-2',
      dashed: 'dashed-secret-3',
      env: 'env-secret-4',
    };
    const names = ['group', 'survey', 'with-dash'];
    const room = terraformRoom({
      'main.tf': `${names.map((name) => `variable "${name}" {\n  sensitive = true\n}\n`).join('')}resource "terraform_data" "a" {\n  triggers_replace = sha256("\${var.group}\${var.survey}\${var.with-dash}")\n  provisioner "local-exec" {\n    command = "sleep 0.5"\n  }\n}\n`,
    });
    const seen = watchCommandLines();
    const { outcome, task } = await room.run({
      task: { secret: JSON.stringify({ survey: secrets.survey }) },
      environment: {
        secrets: [
          { id: 1, type: 'var', name: 'group', secret: secrets.group },
          { id: 2, type: 'var', name: 'with-dash', secret: secrets.dashed },
          { id: 3, type: 'env', name: 'MY_TOKEN', secret: secrets.env },
        ],
      },
    });
    const commandLines = seen();
    expect(outcome).toEqual({ kind: 'success' });
    expect(commandLines).toContain('apply\0');
    const all = Object.values(secrets);
    for (const secret of all) {
      expect(commandLines).not.toContain(secret);
      expect(JSON.stringify(task.steps.map(({ args }) => args))).not.toContain(secret);
    }
    expect(task.secrets).toEqual(expect.arrayContaining(all));
    const left = [room.project, room.repository].flatMap(filesBelow);
    expect(left.filter((file) => all.some((secret) => readFileSync(file).includes(secret)))).toEqual([]);
  });
});

/** Collects the command lines of all processes until the returned function is called. */
function watchCommandLines(): () => string {
  const seen = new Set<string>();
  const look = (): void => {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      try {
        seen.add(readFileSync(`/proc/${name}/cmdline`, 'latin1'));
      } catch {
        // It has ended.
      }
    }
  };
  const timer = setInterval(look, 5);
  onTestFinished(() => clearInterval(timer));
  return () => {
    clearInterval(timer);
    return [...seen].join('\n');
  };
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => lstatSync(path).isFile());
}

const backendA = (path: string): string => `terraform {\n  backend "local" {\n    path = "${path}"\n  }\n}\n`;

describe.runIf(here)('moving the state of a terraform task', () => {
  async function moved() {
    const room = terraformRoom({ 'main.tf': one, 'state.tf': backendA('a.tfstate') });
    expect((await room.run()).outcome).toEqual({ kind: 'success' });
    room.write('state.tf', backendA('b.tfstate'));
    return room;
  }

  it('asks, and copies when that is confirmed', async () => {
    const room = await moved();
    const host = await hostThatDecides('confirmed');
    const { outcome, lines } = await room.run({}, { host });
    expect(outcome).toEqual({ kind: 'success' });
    expect(host.statuses).toEqual(['waiting_confirmation', 'running']);
    expect(room.state('b.tfstate').resources).toHaveLength(1);
    expect(plain(lines)).toContain('Do you want to copy existing state to the new backend?');
    expect(lines).toContain('The answer to this is "yes".');
    expect(lines.at(-1)).toBe('Summary: no changes, 0 added, 0 changed, 0 destroyed.');
  });

  it('asks, and begins with an empty state when that is rejected', async () => {
    const room = await moved();
    const host = await hostThatDecides('rejected');
    const { outcome, lines } = await room.run({}, { host });
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines).toContain('The answer to this is "no".');
    expect(lines.at(-1)).toBe('Summary: 1 added, 0 changed, 0 destroyed.');
  });

  it('does not ask with reconfigure', async () => {
    const room = await moved();
    const { outcome, task } = await room.run({ task: { params: { reconfigure: true } } });
    expect(outcome).toEqual({ kind: 'success' });
    expect(task.statuses).toEqual([]);
  });

  it('stops while it asks', async () => {
    const room = await moved();
    const host = await testTaskHost();
    const run = room.run({}, { host });
    await eventually(() => host.statuses.includes('waiting_confirmation'), 30_000);
    host.stop();
    expect((await run).outcome).toEqual({ kind: 'stopped' });
    expect(host.steps.map(({ key }) => key)).toEqual(['init']);
  });

  it('gives no answer to what only a person can type', async () => {
    const room = terraformRoom({ 'main.tf': one, 'state.tf': 'terraform {\n  backend "consul" {\n  }\n}\n' });
    const { outcome, lines } = await room.run();
    expect(lines).toContain('The tool asks for something that nobody is here to type: it gets no answer.');
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('Task failed in requirements') });
  });
});

describe.runIf(here)('the workspaces of a terraform task', () => {
  it('are made and selected by the name of the inventory', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const { outcome, lines } = await room.run({ inventory: { inventory: 'prod' } });
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines).toContain('Selecting workspace "prod"');
    expect(room.state('terraform.tfstate.d/prod/terraform.tfstate').resources).toHaveLength(1);
    expect((await room.run()).outcome).toEqual({ kind: 'success' });
    expect(room.state().resources).toHaveLength(1);
  });
});

/** A Terraform http backend; it keeps the state and what was asked. */
async function stateServer(): Promise<{ url: string; requests: string[]; state: () => string }> {
  let state = '';
  const requests: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      requests.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`);
      if (request.method === 'POST') state = body;
      response.statusCode = request.method === 'GET' && state === '' ? 404 : 200;
      response.end(request.method === 'GET' ? state : '');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, state: () => state };
}

describe.runIf(here)('the backend of a terraform task', () => {
  const template = { task_params: { override_backend: true } };

  it('is the server, by a file that is gone afterwards; without workspaces', async () => {
    const server = await stateServer();
    const room = terraformRoom({ 'main.tf': one });
    const { outcome, lines } = await room.run(
      {
        template,
        job: { Alias: 'my-alias' },
        environment: { env: '{"TF_HTTP_USERNAME":"me","TF_HTTP_PASSWORD":"pass"}' },
      },
      { config: { webHost: server.url } },
    );
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines).toContain('Workspaces are not supported, skipping workspace selection');
    expect(server.requests).toContain(`GET /api/terraform/my-alias Basic ${Buffer.from('me:pass').toString('base64')}`);
    expect(server.state()).toContain('terraform_data');
    expect(existsSync(join(room.repository, 'backend.tf'))).toBe(false);
    expect(existsSync(join(room.repository, 'terraform.tfstate'))).toBe(false);
  });

  it("replaces the repository's own file, which comes back, also after a failure", async () => {
    const own = backendA('own.tfstate');
    const room = terraformRoom({ 'main.tf': one, 'state.tf': own });
    const { outcome } = await room.run({
      template: { task_params: { override_backend: true, backend_filename: 'state.tf' } },
    });
    // There is no address.
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('Task failed in requirements') });
    expect(room.read('state.tf')).toBe(own);
  });

  it('does not take what a killed runner left for a file of the repository', async () => {
    const room = terraformRoom({ 'main.tf': one });
    let written = '';
    const host = await testTaskHost(() => (written = room.read('backend.tf')));
    await room.run({ template }, { host });
    expect(written).toContain('backend "http"');
    room.write('backend.tf', written);
    await room.run({ template });
    expect(existsSync(join(room.repository, 'backend.tf'))).toBe(false);
  });

  it('is not written through a symbolic link', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const elsewhere = join(tempDir(), 'elsewhere.tf');
    writeFileSync(elsewhere, 'untouched');
    symlinkSync(elsewhere, join(room.repository, 'backend.tf'));
    const { outcome } = await room.run({ template });
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('is a symbolic link') });
    expect(readFileSync(elsewhere, 'utf8')).toBe('untouched');
    expect(lstatSync(join(room.repository, 'backend.tf')).isSymbolicLink()).toBe(true);

    const outside = tempDir();
    symlinkSync(outside, join(room.repository, 'link'));
    const linked = await room.run({ template: { ...template, playbook: 'link' } });
    expect(linked.outcome).toMatchObject({ reason: expect.stringContaining('leads out of the repository') });
    expect(readdirSync(outside)).toEqual([]);
  });
});

describe.runIf(here)('the outputs of a terraform task', () => {
  const files = {
    'main.tf':
      'output "big" {\n  value = 12345678901234567890123\n}\noutput "list" {\n  value = ["a"]\n}\noutput "hidden" {\n  value     = "x"\n  sensitive = true\n}\n',
  };

  it('are handed on when it belongs to a workflow; sensitive ones are not', async () => {
    const { outcome, lines, task } = await terraformRoom(files).run({ task: { workflow_run_id: 9 } });
    expect(outcome).toEqual({
      kind: 'success',
      outputs: '{"values":{"big":12345678901234567890123,"list":["a"]},"skipped":{"hidden":"sensitive"}}',
    });
    expect(task.steps.at(-1)?.args).toEqual(['output', '-json']);
    expect(lines.join('\n')).not.toContain('"type":');
  });

  it('are not asked for otherwise, and do not fail the task', async () => {
    const room = terraformRoom(files);
    const { task } = await room.run();
    expect(task.steps.at(-1)?.key).toBe('apply');
    const path = join(tempDir(), 'terraform');
    writeFileSync(path, '#!/bin/sh\ntest "$1" = output && exit 1\nexec terraform "$@"\n', { mode: 0o755 });
    const config = { apps: { terraform: { path, args: undefined } } };
    const { outcome, lines } = await room.run({ task: { workflow_run_id: 9 } }, { config });
    expect(outcome).toEqual({ kind: 'success', outputs: undefined });
    expect(lines).toContain('Terraform outputs were not captured: terraform output -json did not give any.');
  });
});

describe.runIf(here)('the relatives of terraform (stand-ins)', () => {
  it('tofu takes the same commands', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const { outcome, lines, task } = await room.run({
      template: { app: 'tofu' },
      inventory: { type: 'tofu-workspace', inventory: 'prod' },
    });
    expect(outcome).toEqual({ kind: 'success' });
    expect(new Set(task.steps.map(({ command }) => command))).toEqual(new Set(['tofu']));
    expect(lines.at(-1)).toBe('Summary: 1 added, 0 changed, 0 destroyed.');
    expect(existsSync(join(room.repository, 'terraform.tfstate.d/prod/terraform.tfstate'))).toBe(true);
  });

  it('terragrunt is told which tool to run, and to pass workspace commands on', async () => {
    const room = terraformRoom({ 'main.tf': showing('a', 'string') });
    const host = await hostThatDecides('confirmed');
    const { outcome, task } = await room.run(
      {
        template: { app: 'terragrunt', task_params: { auto_approve: false } },
        inventory: { type: 'terragrunt-workspace', inventory: 'prod' },
        environment: { json: '{"a":"x"}' },
      },
      { host },
    );
    expect(outcome).toEqual({ kind: 'success' });
    const plan = planFileIn(argsOf(task, 'plan'));
    expect(task.steps.map(({ args }) => args)).toEqual([
      ['init', '--tf-path=terraform', '-migrate-state'],
      ['run', '--tf-path=terraform', '--', 'workspace', 'list'],
      ['run', '--tf-path=terraform', '--', 'workspace', 'select', '-or-create=true', 'prod'],
      ['plan', '--tf-path=terraform', '-input=false', '-detailed-exitcode', `-out=${plan}`],
      ['apply', '--tf-path=terraform', '-input=false', '-auto-approve', plan],
    ]);
    expect(existsSync(plan)).toBe(false);
  });

  it('terragrunt is not told when the arguments say it', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const config = { apps: { terragrunt: { path: undefined, args: ['--tf-path', 'terraform'] } } };
    const { task } = await room.run({ template: { app: 'terragrunt' } }, { config });
    expect(argsOf(task, 'init')).toEqual(['--tf-path', 'terraform', 'init', '-migrate-state']);
  });
});
