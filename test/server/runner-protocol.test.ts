import { describe, expect, it } from 'vitest';
import { job, ScriptedRunner } from './support/scripted-runner.ts';
import { apiToken, registrationToken, TestServer, type Json } from './support/test-server.ts';

/** The server side of the runner protocol, spoken over a real socket (spec 3, 8.2, 8.7). */

describe('registration (spec 3.4)', () => {
  const post = (server: TestServer, body: unknown, path = '/api/internal/runners') => server.call('POST', path, body);

  it('answers 200 and a token of 32 bytes', async () => {
    const server = await TestServer.start();
    const answer = await post(server, {
      registration_token: registrationToken,
      name: 'eu-1',
      tags: ['eu'],
      max_parallel_tasks: 2,
      public_key: '',
    });
    expect(answer.status).toBe(200);
    expect(Buffer.from(answer.json.token, 'base64')).toHaveLength(32);
    const [runner] = (await server.call('GET', '/api/runners')).json;
    // Active, although it did not say so; a runner with tags serves those only.
    expect(runner).toMatchObject({
      name: 'eu-1',
      tags: ['eu'],
      max_parallel_tasks: 2,
      active: true,
      is_default: false,
      registered: true,
    });
    expect(runner).not.toHaveProperty('token');
  });

  it('accepts a server URL that ends with a slash, and needs no API token', async () => {
    const server = await TestServer.start();
    const response = await fetch(`${server.url}//api/internal/runners`, {
      method: 'POST',
      body: JSON.stringify({ registration_token: registrationToken }),
    });
    expect(response.status).toBe(200);
  });

  it.each([
    ['a wrong token', { registration_token: 'wrong' }, 'Invalid registration token'],
    ['an empty token', { registration_token: '' }, 'Invalid registration token'],
    ['an unknown one-time token', { registration_token: 'smrs_unknown' }, 'Invalid registration token'],
    [
      'the shared token with the prefix of the other kind',
      { registration_token: `smrs_${registrationToken}` },
      'Invalid registration token',
    ],
    ['a body that is no JSON', '{"registration', 'Invalid format'],
    ['an unknown project', { registration_token: registrationToken, project_id: 99 }, 'There is no project 99'],
  ])('refuses %s', async (_, body, message) => {
    const server = await TestServer.start();
    const answer = await post(server, body);
    expect(answer.status).toBe(400);
    expect(answer.json).toEqual({ error: message });
    expect((await server.call('GET', '/api/runners')).json).toEqual([]);
  });

  it('with a one-time token claims exactly the place it was made for, once', async () => {
    const server = await TestServer.start();
    const created = await server.call('POST', '/api/runners', { name: 'place', tags: ['gpu'], registered: false });
    expect(created.json).not.toHaveProperty('token');
    const { registration_token: oneTime } = (
      await server.call('POST', `/api/runners/${created.json.id}/registration-token`)
    ).json;
    expect(oneTime).toMatch(/^smrs_/);
    const claimed = await post(server, {
      registration_token: oneTime,
      name: 'other',
      tags: ['x'],
      max_parallel_tasks: 5,
    });
    expect(claimed.status).toBe(200);
    const runners = (await server.call('GET', '/api/runners')).json;
    expect(runners).toHaveLength(1);
    expect(runners[0]).toMatchObject({ name: 'place', tags: ['gpu'], max_parallel_tasks: 0, registered: true });
    expect((await post(server, { registration_token: oneTime })).status).toBe(400);
    expect((await server.call('POST', `/api/runners/${created.json.id}/registration-token`)).status).toBe(400);
  });
});

describe('authentication (spec 3.2)', () => {
  it.each([
    ['no token', {}, 401, 'Invalid token'],
    ['an empty token', { 'x-runner-token': '' }, 401, 'Invalid token'],
    ['an unknown token', { 'x-runner-token': 'unknown' }, 404, 'Runner not found'],
    ['a token of the API', { 'x-runner-token': apiToken }, 404, 'Runner not found'],
  ])('refuses %s', async (_, headers, status, error) => {
    const server = await TestServer.start();
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const response = await fetch(`${server.url}/api/internal/runners`, { method, headers });
      expect({ status: response.status, json: await response.json() }).toEqual({ status, json: { error } });
    }
  });

  it('does not keep the token itself', async () => {
    const server = await TestServer.start();
    const answer = await server.call('POST', '/api/internal/runners', { registration_token: registrationToken });
    const { readdir, readFile } = await import('node:fs/promises');
    const state = `${server.directory}/.semaphore-server/state`;
    for (const name of await readdir(state))
      expect(await readFile(`${state}/${name}`, 'utf8')).not.toContain(answer.json.token);
  });

  it('ends with the registration', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server);
    expect(await runner.request('DELETE')).toEqual({ status: 204, text: '' });
    expect((await runner.request('GET')).status).toBe(404);
    expect((await server.call('GET', '/api/runners')).json).toEqual([]);
  });
});

describe('the conversation of spec 8.7', () => {
  it.each([
    ['an old runner (2.10)', undefined],
    ['a new runner (2.20)', '2026-06-01T11:00:00Z'],
  ])('goes as written with %s', async (_, startedAt) => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.register(server, startedAt === undefined ? {} : { startedAt });
    runner.path = '//api/internal/runners';
    expect(await runner.put(null)).toEqual({ status: 204, json: undefined });
    expect(await runner.get()).toEqual({ CurrentJobs: [], new_jobs: [], access_keys: {} });

    const id = await server.createTask();
    for (let poll = 0; poll < 5; poll += 1) {
      expect(await runner.put(null)).toEqual({ status: 204, json: undefined });
      expect(await runner.newJobs()).toEqual([id]);
    }
    expect((await runner.put([job(id, 'running', ['Preparing: 1', 'hello'])])).json).toEqual({});
    expect(await runner.get()).toMatchObject({
      CurrentJobs: [{ id, status: 'running' }],
      new_jobs: [],
      access_keys: {},
    });

    expect((await server.call('POST', `/api/project/1/tasks/${id}/stop`)).status).toBe(204);
    expect((await runner.get()).CurrentJobs).toEqual([{ id, status: 'stopping' }]);
    expect((await runner.report(id, 'running')).json).toEqual({});
    expect((await runner.get()).CurrentJobs).toEqual([{ id, status: 'stopping' }]);
    expect((await runner.report(id, 'stopping')).json).toEqual({});
    expect((await runner.report(id, 'stopped', ['bye'])).json).toEqual({});
    expect(await runner.put(null)).toEqual({ status: 204, json: undefined });
    expect(await runner.get()).toEqual({ CurrentJobs: [], new_jobs: [], access_keys: {} });

    expect(await server.task(id)).toMatchObject({
      status: 'stopped',
      runner_id: runner.id,
      start: expect.any(String),
      end: expect.any(String),
    });
    expect(await server.log(id)).toEqual([
      `Task #${id} is assigned to runner #${runner.id}`,
      'Preparing: 1',
      'hello',
      'bye',
    ]);
  });
});

describe('a progress report (spec 3.6)', () => {
  async function running(): Promise<{ server: TestServer; runner: ScriptedRunner; id: number }> {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server);
    const id = await server.createTask();
    await runner.get();
    await runner.report(id, 'running');
    return { server, runner, id };
  }

  it('of tasks that are unknown, finished or of another runner is answered with terminated_jobs, and not stored', async () => {
    const { server, runner, id } = await running();
    const other = await ScriptedRunner.register(server);
    expect((await other.report(id, 'success', ['stolen'])).json).toEqual({ terminated_jobs: [id] });
    expect((await runner.report(4711, 'running', ['x'])).json).toEqual({ terminated_jobs: [4711] });
    expect((await runner.report(id, 'success')).json).toEqual({});
    expect((await runner.report(id, 'error', ['late'])).json).toEqual({ terminated_jobs: [id] });
    expect(await server.status(id)).toBe('success');
    expect((await server.log(id)).join()).not.toMatch(/stolen|late/);
  });

  it('with an unknown status of one task keeps its log and does not spoil the others', async () => {
    const { server, runner, id } = await running();
    const second = await server.createTask({ template_id: 2 });
    await runner.get();
    const answer = await runner.put([job(id, '', ['kept']), job(4711, 'nonsense'), job(second, 'running', ['fine'])]);
    expect(answer).toEqual({ status: 200, json: { terminated_jobs: [4711] } });
    expect(await server.status(id)).toBe('running');
    expect((await server.log(id)).at(-1)).toBe('kept');
    expect(await server.status(second)).toBe('running');
  });

  it.each([
    '',
    '{"Jobs":[',
    '[]',
    '{"Jobs":[{"ID":1,"Status":"running","LogRecords":[{"time":"never","message":"x"}]}]}',
  ])('that is malformed (%s) is refused', async (body) => {
    const { runner } = await running();
    const answer = await runner.request('PUT', body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text).error).toMatch(/^Invalid format/);
  });

  it('may spell its keys as it likes, and send no list at all', async () => {
    const { server, runner, id } = await running();
    const answer = await runner.request(
      'PUT',
      JSON.stringify({ jobs: [{ id, status: 'success', logrecords: null, extra: 1 }] }),
    );
    expect(answer.status).toBe(200);
    expect(await server.status(id)).toBe('success');
  });

  it('brings the commit once, however often it is sent', async () => {
    const { server, runner, id } = await running();
    const commit = { hash: '9f2c1d0c', message: 'Add nginx role' };
    await runner.put([job(id, 'running', [], { Commit: commit })]);
    await runner.put([job(id, 'success', [], { Commit: commit })]);
    expect(await server.task(id)).toMatchObject({ commit_hash: '9f2c1d0c', commit_message: 'Add nginx role' });
  });

  it('that is sent again because its answer was lost is stored once', async () => {
    const { server, runner, id } = await running();
    const first = job(id, 'running', ['a', 'b']) as { LogRecords: object[] };
    await runner.put([first]);
    await runner.put([first]);
    const more = job(id, 'running', ['c']) as { LogRecords: object[] };
    await runner.put([{ ...first, LogRecords: [...first.LogRecords, ...more.LogRecords] }]);
    expect((await server.log(id)).slice(1)).toEqual(['a', 'b', 'c']);
  });

  it.each([
    ['{"values":{"region":"eu"}}', 'success', undefined],
    ['{"values":{"1bad":1}}', 'error', 'Invalid task outputs reported by the runner: invalid name "1bad"'],
    ['not json', 'error', 'Invalid task outputs reported by the runner: not JSON'],
    [
      JSON.stringify({ values: { x: 'y'.repeat(33 * 1024) } }),
      'error',
      'Invalid task outputs reported by the runner: "x" is larger than 32768 bytes',
    ],
    [
      JSON.stringify({ values: Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`v${index}`, 1])) }),
      'error',
      'Invalid task outputs reported by the runner: more than 100 outputs',
    ],
  ])('with outputs %.30s ends as %s', async (outputs, status, line) => {
    const { server, runner, id } = await running();
    await runner.put([job(id, 'success', ['last'], { outputs })]);
    expect(await server.status(id)).toBe(status);
    if (line !== undefined) expect((await server.log(id)).slice(-2)).toEqual(['last', line]);
  });

  it('that ends a task frees its place before it is answered', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server, { registration: { max_parallel_tasks: 1 } });
    const ids = [
      await server.createTask({ template_id: 2 }),
      await server.createTask({ template_id: 2 }),
      await server.createTask({ template_id: 2 }),
    ];
    for (const id of ids) {
      expect(await runner.newJobs()).toEqual([id]);
      await runner.report(id, 'running');
      expect(await runner.newJobs()).toEqual([]);
      await runner.report(id, 'success');
    }
    expect(await runner.newJobs()).toEqual([]);
  });

  it('may be as large as 64 MiB, and is refused beyond', async () => {
    const { server, runner, id } = await running();
    const lines = Array.from({ length: 63 }, () => 'x'.repeat(1024 * 1024 - 100));
    expect((await runner.report(id, 'running', lines)).status).toBe(200);
    expect((await server.log(id)).length).toBe(64);
    expect((await runner.report(id, 'running', [...lines, ...lines])).status).toBe(413);
  });
});

describe('what a job holds (spec 4, 8.2)', () => {
  const project = {
    keys: [
      {
        id: 1,
        name: 'deploy',
        type: 'ssh',
        login: 'git',
        passphrase: 'pp',
        private_key: '-----BEGIN X-----\nAAAA\n-----END X-----',
      },
      { id: 2, name: 'sudo', type: 'login_password', login: 'root', password: 'sudopw' },
      { id: 3, name: 'vault', type: 'login_password', password: 'vaultpw' },
      { id: 4, name: 'unused', type: 'string', value: 'never sent' },
    ],
    repositories: [
      { id: 1, name: 'scripts', git_url: 'git@git.example.com:ops/scripts.git', git_branch: 'prod', key: 'deploy' },
      { id: 2, name: 'hosts', git_url: 'https://git.example.com/hosts.git' },
    ],
    inventories: [
      {
        id: 1,
        name: 'prod',
        type: 'file',
        inventory: 'hosts.ini',
        key: 'deploy',
        become_key: 'sudo',
        repository: 'hosts',
      },
    ],
    variable_groups: [
      {
        id: 1,
        name: 'base',
        variables: { region: 'us', port: 80 },
        env: { A: '1', B: 2 },
        secrets: [{ name: 'token', value: 'old' }],
      },
      {
        id: 2,
        name: 'prod',
        variables: { region: 'eu' },
        env: { B: '3' },
        secrets: [
          { name: 'token', value: 'new' },
          { name: 'KEY', type: 'env', value: 'k' },
        ],
      },
    ],
    templates: [
      {
        id: 1,
        name: 'Deploy',
        playbook: 'site.yml',
        repository: 'scripts',
        inventory: 'prod',
        variable_groups: ['base', 'prod'],
        arguments: ['--forks=10'],
        runner_tag: 'eu',
        vaults: [
          { name: 'prod', key: 'vault' },
          { name: 'ext', script: 'client.sh' },
        ],
        survey_vars: [
          { name: 'size', type: 'int', default_value: '3' },
          { name: 'db_password', type: 'secret', required: true, target: 'env' },
        ],
        task_params: { allow_debug: true, allow_override_limit: true, tags: ['deploy'] },
      },
    ],
  };

  it('is everything, in the form of old and new servers at once', async () => {
    const server = await TestServer.start({ project });
    const runner = await ScriptedRunner.online(server, { registration: { tags: ['eu'] } });
    const id = await server.createTask({
      debug: true,
      limit: 'web,db',
      message: 'nightly',
      environment: '{"port":8080}',
      secret: '{"db_password":"s3cr3t"}',
    });
    const {
      new_jobs: [first],
      access_keys: keys,
    } = await runner.get();
    expect(first).toMatchObject({
      Username: 'tester',
      IncomingVersion: null,
      Alias: '',
      task: {
        id,
        template_id: 1,
        project_id: 1,
        status: 'starting',
        playbook: '',
        debug: true,
        dry_run: false,
        diff: false,
        limit: 'web,db',
        message: 'nightly',
        params: { debug: true, limit: ['web', 'db'] },
      },
      template: {
        id: 1,
        app: 'ansible',
        playbook: 'site.yml',
        arguments: '["--forks=10"]',
        environment_ids: [1, 2],
        environment_id: 1,
        runner_tag: 'eu',
        vaults: [
          { vault_key_id: 3, name: 'prod', type: 'password', script: null },
          { vault_key_id: null, name: 'ext', type: 'script', script: 'client.sh' },
        ],
        survey_vars: [
          { name: 'size', type: 'int' },
          { name: 'db_password', type: 'secret', required: true, target: 'env' },
        ],
        task_params: { allow_debug: true, allow_override_limit: true, tags: ['deploy'] },
      },
      inventory: {
        id: 1,
        name: 'prod',
        type: 'file',
        inventory: 'hosts.ini',
        ssh_key_id: 1,
        become_key_id: 2,
        repository_id: 2,
      },
      inventory_repository: { id: 2, git_url: 'https://git.example.com/hosts.git', git_branch: 'main' },
      repository: { id: 1, git_url: 'git@git.example.com:ops/scripts.git', git_branch: 'prod', ssh_key_id: 1 },
    });
    expect(JSON.parse(first.environment.json)).toEqual({ region: 'eu', port: 8080, size: '3' });
    expect(JSON.parse(first.environment.env)).toEqual({ A: '1', B: '3' });
    expect(first.environment.secrets).toMatchObject([
      { type: 'var', name: 'token', secret: 'new' },
      { type: 'env', name: 'KEY', secret: 'k' },
    ]);
    expect(JSON.parse(first.task.secret)).toEqual({ db_password: 's3cr3t' });
    // The keys that are needed, and no others: the repository without a key needs the one of type none.
    expect(new Set(Object.values<Json>(keys).map(({ name }) => name))).toEqual(
      new Set(['None', 'deploy', 'sudo', 'vault']),
    );
    expect(keys[1]).toMatchObject({
      type: 'ssh',
      ssh: { login: 'git', passphrase: 'pp', private_key: '-----BEGIN X-----\nAAAA\n-----END X-----\n' },
      login_password: { login: '', password: '' },
    });
    expect(keys[2]).toMatchObject({ type: 'login_password', login_password: { login: 'root', password: 'sudopw' } });
    expect(keys[first.inventory_repository.ssh_key_id]).toMatchObject({ type: 'none' });
  });

  it('is enough for a template that says next to nothing', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server);
    await server.createTask({ template_id: 3 });
    const {
      new_jobs: [first],
      access_keys: keys,
    } = await runner.get();
    expect(first).toMatchObject({
      template: { app: 'ansible' },
      inventory: { id: 0, type: 'static', inventory: 'localhost ansible_connection=local' },
      inventory_repository: null,
      repository: { git_branch: 'main' },
      environment: { json: '{}', env: null },
      task: { params: { debug: false }, debug: false, dry_run: false, diff: false, limit: '' },
    });
    expect(keys[first.repository.ssh_key_id]).toMatchObject({ type: 'none' });
  });

  it('keeps answers to secret questions out of the API, the journal, and the disk when the task is finished', async () => {
    const server = await TestServer.start({ project });
    const runner = await ScriptedRunner.online(server, { registration: { tags: ['eu'] } });
    const id = await server.createTask({ environment: '{"db_password":"s3cr3t"}' });
    expect(JSON.stringify(await server.task(id))).not.toContain('s3cr3t');
    await server.restart();
    expect((await runner.get()).new_jobs[0].task.secret).toContain('s3cr3t');
    await runner.report(id, 'running');
    await runner.report(id, 'success');
    await server.close();
    const { execFileSync } = await import('node:child_process');
    expect(() => execFileSync('grep', ['-r', 's3cr3t', `${server.directory}/.semaphore-server`])).toThrow();
  });

  it('has the cache cleared once, for the project of the runner', async () => {
    const server = await TestServer.start();
    const global = await ScriptedRunner.online(server);
    const own = await ScriptedRunner.online(server, { registration: { project_id: 1 } });
    for (const runner of [global, own])
      expect((await server.call('POST', `/api/runners/${runner.id}/cache-clear`)).status).toBe(204);
    const answer = await global.get();
    expect(answer.clear_cache).toBe(true);
    expect(answer).not.toHaveProperty('cache_clean_project_id');
    expect(await own.get()).toMatchObject({ clear_cache: true, cache_clean_project_id: 1 });
    expect(await global.get()).not.toHaveProperty('clear_cache');
  });
});
