import { describe, expect, it } from 'vitest';
import { job, ScriptedRunner } from './support/scripted-runner.ts';
import { apiToken, TestServer } from './support/test-server.ts';

/** Every row of the table in semaphore-ui-api.md. */

const project = {
  alert: true,
  alert_chat: '-100',
  max_parallel_tasks: 5,
  keys: [{ id: 7, name: 'vault', type: 'login_password', login: 'u', password: 'p4ssw0rd' }],
  repositories: [{ id: 1, name: 'scripts', git_url: 'https://git.example.com/scripts.git', git_branch: 'prod' }],
  inventories: [{ id: 4, name: 'prod', inventory: '[web]\nweb1\n', key: 'vault' }],
  variable_groups: [
    {
      id: 5,
      name: 'prod',
      variables: { region: 'eu' },
      env: { A: '1' },
      secrets: [{ name: 'S', value: 'v3ry s3cret' }],
    },
  ],
  templates: [
    {
      id: 33,
      name: 'Deploy web',
      description: 'To production',
      playbook: 'site.yml',
      repository: 'scripts',
      inventory: 'prod',
      variable_groups: ['prod'],
      arguments: ['-v'],
      allow_override_args_in_task: true,
      suppress_success_alerts: true,
      survey_vars: [{ name: 'size', type: 'enum', values: [{ name: 'Small', value: 's' }] }],
      task_params: { allow_override_limit: true },
    },
    { id: 34, name: 'A script', app: 'bash', playbook: 'z.sh', repository: 'scripts' },
  ],
  schedules: [{ id: 9, name: 'nightly', template: 'A script', cron: '0 3 * * *', timezone: 'Europe/Berlin' }],
};

const start = (): Promise<TestServer> => TestServer.start({ project });
const get = async (server: TestServer, path: string) => await server.call('GET', `/api${path}`);

describe('authentication', () => {
  it.each(['/projects', '/project/1', '/project/1/tasks', '/runners', '/user/', '/info', '/ws'])(
    'is asked for at %s',
    async (path) => {
      const server = await start();
      for (const headers of [{}, { authorization: 'Bearer wrong-token-0123456789' }, { authorization: apiToken }]) {
        const response = await fetch(`${server.url}/api${path}`, { headers });
        expect([401, 404]).toContain(response.status);
        if (path !== '/ws') expect(response.headers.get('www-authenticate')).toBe('Bearer');
      }
    },
  );
});

describe('the server itself', () => {
  it('GET /ping', async () => {
    const server = await start();
    const response = await fetch(`${server.url}/api/ping`);
    expect([response.status, await response.text()]).toEqual([200, 'pong']);
  });

  it('GET /info', async () => {
    const answer = await get(await start(), '/info');
    expect(answer).toMatchObject({
      status: 200,
      json: { version: expect.stringMatching(/^\d+\.\d+\.\d+/), updateBody: '', update: null },
    });
  });

  it('GET /user/ and /user/tokens', async () => {
    const server = await start();
    expect((await get(server, '/user/')).json).toMatchObject({
      id: 1,
      username: 'tester',
      name: 'tester',
      admin: true,
    });
    const { json } = await get(server, '/user/tokens');
    expect(json).toMatchObject([{ user_id: 1, expired: false }]);
    expect(JSON.stringify(json)).not.toContain(apiToken);
  });
});

describe('declared objects', () => {
  it.each([
    [
      '/projects',
      [
        {
          id: 1,
          name: 'Test',
          created: expect.stringMatching(/^20\d\d-.*Z$/),
          alert: true,
          alert_chat: '-100',
          max_parallel_tasks: 5,
        },
      ],
    ],
    ['/project/1/', { id: 1, name: 'Test' }],
    ['/project/1', { id: 1, name: 'Test' }],
    [
      '/project/1/templates/33',
      {
        id: 33,
        project_id: 1,
        inventory_id: 4,
        repository_id: 1,
        environment_id: 5,
        view_id: null,
        name: 'Deploy web',
        playbook: 'site.yml',
        arguments: '["-v"]',
        description: 'To production',
        allow_override_args_in_task: true,
        suppress_success_alerts: true,
        app: 'ansible',
        git_branch: null,
        survey_vars: [
          { name: 'size', title: 'size', type: 'enum', required: false, values: [{ name: 'Small', value: 's' }] },
        ],
        task_params: { allow_override_limit: true },
        last_task: null,
      },
    ],
    [
      '/project/1/inventory/4',
      {
        id: 4,
        project_id: 1,
        name: 'prod',
        inventory: '[web]\nweb1\n',
        type: 'static',
        ssh_key_id: 7,
        become_key_id: null,
        repository_id: null,
      },
    ],
    ['/project/1/inventory', [{ id: 4 }]],
    [
      '/project/1/repositories/1',
      {
        id: 1,
        project_id: 1,
        name: 'scripts',
        git_url: 'https://git.example.com/scripts.git',
        git_branch: 'prod',
        ssh_key_id: expect.any(Number),
      },
    ],
    ['/project/1/repositories', [{ id: 1 }]],
    [
      '/project/1/environment/5',
      {
        id: 5,
        project_id: 1,
        name: 'prod',
        json: '{"region":"eu"}',
        env: '{"A":"1"}',
        password: null,
        secrets: [{ name: 'S', type: 'var' }],
      },
    ],
    ['/project/1/environment', [{ id: 5 }]],
    ['/project/1/keys/7', { id: 7, project_id: 1, name: 'vault', type: 'login_password' }],
    ['/project/1/keys', [{ name: 'None', type: 'none' }, { id: 7 }]],
    [
      '/project/1/schedules/9',
      {
        id: 9,
        project_id: 1,
        template_id: 34,
        name: 'nightly',
        cron_format: '0 3 * * *',
        active: true,
        next_run: expect.stringMatching(/T0[12]:00:00.000Z$/),
      },
    ],
    ['/project/1/schedules', [{ id: 9 }]],
  ])('GET %s', async (path, expected) => {
    const answer = await get(await start(), path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.json).toMatchObject(expected);
    expect(answer.text).not.toMatch(/p4ssw0rd|v3ry/);
  });

  it.each([
    ['', [34, 33]],
    ['?sort=name&order=asc', [34, 33]],
    ['?sort=name&order=desc', [33, 34]],
    ['?sort=playbook', [33, 34]],
    ['?sort=inventory&order=desc', [33, 34]],
  ])('GET /templates%s is sorted', async (query, expected) => {
    expect((await get(await start(), `/project/1/templates${query}`)).json.map(({ id }: { id: number }) => id)).toEqual(
      expected,
    );
  });

  it.each(['?sort=colour', '?order=up'])('GET /templates%s is refused', async (query) => {
    expect((await get(await start(), `/project/1/templates${query}`)).status).toBe(400);
  });

  it.each([
    ['POST', '/projects'],
    ['PUT', '/project/1'],
    ['DELETE', '/project/1'],
    ...['templates', 'inventory', 'repositories', 'environment', 'keys', 'schedules'].flatMap((kind) => [
      ['POST', `/project/1/${kind}`],
      ['PUT', `/project/1/${kind}/1`],
      ['DELETE', `/project/1/${kind}/1`],
    ]),
  ])('%s %s is answered with where to change them', async (method, path) => {
    const answer = await (await start()).call(method, `/api${path}`, {});
    expect(answer).toMatchObject({ status: 405, json: { error: expect.stringContaining('server.yaml') } });
  });

  it.each([
    '/project/2',
    '/project/x',
    '/project/2/templates',
    '/project/1/templates/99',
    '/project/1/keys/0',
    '/project/1/tasks/99',
    '/project/1/tasks/x/output',
    '/nothing',
    '/runners/99',
  ])('GET %s is not there', async (path) => {
    expect(await get(await start(), path)).toMatchObject({ status: 404, json: { error: expect.any(String) } });
  });
});

describe('POST /project/{pid}/tasks', () => {
  it('answers 201 and the task', async () => {
    const server = await start();
    await ScriptedRunner.register(server);
    const answer = await server.call('POST', '/api/project/1/tasks', {
      template_id: 33,
      project_id: 1,
      debug: true,
      dry_run: true,
      diff: true,
      playbook: '',
      environment: '{"size":"s","extra":1}',
      limit: 'web',
      git_branch: '',
      message: 'by hand',
      arguments: '["--forks=3"]',
      inventory_id: 4,
      unknown: true,
    });
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject({
      id: 1,
      template_id: 33,
      project_id: 1,
      status: 'waiting',
      debug: true,
      dry_run: true,
      diff: true,
      playbook: '',
      environment: '{"size":"s","extra":1}',
      limit: 'web',
      git_branch: null,
      message: 'by hand',
      arguments: '["--forks=3"]',
      params: { debug: true, dry_run: true, diff: true, limit: ['web'] },
      start: null,
      end: null,
      user_name: 'tester',
      commit_hash: null,
      version: null,
      tpl_alias: 'Deploy web',
      tpl_playbook: 'site.yml',
      tpl_type: '',
      tpl_app: 'ansible',
      runner_id: null,
    });
    expect(Date.parse(answer.json.created)).toBeGreaterThan(Date.now() - 60_000);
  });

  it.each([
    [{}, 'template_id is required'],
    ['', 'Invalid format'],
    ['{', 'Invalid format'],
    [{ template_id: 99 }, 'template_id: this project has no template 99'],
    [{ template_id: 'x' }, 'template_id'],
    [{ template_id: 33, debug: 'yes' }, 'debug'],
    [{ template_id: 33, environment: 'a=b' }, 'environment: expected the text of a JSON object'],
    [{ template_id: 33, environment: '[]' }, 'environment: expected the text of a JSON object'],
    [{ template_id: 33, secret: '1' }, 'secret: expected the text of a JSON object'],
    [{ template_id: 33, arguments: '--forks' }, 'arguments: expected the text of a JSON array'],
    [{ template_id: 33, arguments: '[1]' }, 'arguments: expected the text of a JSON array'],
    [{ template_id: 33, inventory_id: 99 }, 'inventory_id: this project has no inventory 99'],
    [{ template_id: 33, params: { tags: 'web' } }, 'params: tags'],
    [
      { template_id: 33, params: { tags: ['web'] } },
      'params.tags cannot be chosen for template "Deploy web"; its owner can permit it in the server file with task_params.allow_override_tags',
    ],
    [{ template_id: 33, git_branch: 'dev' }, 'git_branch cannot be chosen'],
    [{ template_id: 34, arguments: '["x"]' }, 'arguments cannot be chosen'],
    [{ template_id: 34, dry_run: true }, 'dry_run: a task of bash cannot run dry'],
    [{ template_id: 33, environment: '{"size":"xl"}' }, 'environment: size: expected one of s'],
  ])('refuses %j and names the field', async (body, message) => {
    const server = await start();
    const answer = await server.call('POST', '/api/project/1/tasks', body);
    expect(answer.status).toBe(400);
    expect(answer.json.error).toContain(message);
    expect((await get(server, '/project/1/tasks')).json).toEqual([]);
  });
});

describe('tasks', () => {
  async function finished(): Promise<{ server: TestServer; id: number; runner: ScriptedRunner }> {
    const server = await start();
    const runner = await ScriptedRunner.online(server);
    const id = await server.createTask({ template_id: 34 });
    await runner.get();
    await runner.put([
      job(id, 'success', ['\u001b[32mgreen\u001b[0m "quoted"', 'second'], { Commit: { hash: 'abc', message: 'm' } }),
    ]);
    return { server, id, runner };
  }

  it('GET /tasks and /tasks/last: newest first, at most 200', async () => {
    const server = await start();
    await ScriptedRunner.register(server);
    for (let count = 0; count < 205; count += 1) await server.createTask({ template_id: 34 });
    const all = (await get(server, '/project/1/tasks')).json;
    expect([all.length, all[0].id, all.at(-1).id]).toEqual([205, 205, 1]);
    const last = (await get(server, '/project/1/tasks/last')).json;
    expect([last.length, last[0].id]).toEqual([200, 205]);
  });

  it('GET /tasks/{id}, and as the last task of its template', async () => {
    const { server, id, runner } = await finished();
    const task = await server.task(id);
    expect(task).toMatchObject({
      id,
      status: 'success',
      commit_hash: 'abc',
      commit_message: 'm',
      runner_id: runner.id,
      end: expect.any(String),
    });
    expect((await get(server, '/project/1/templates/34')).json).toMatchObject({
      last_task: { id, status: 'success' },
      tasks: 1,
    });
  });

  it('GET /tasks/{id}/output: one element a line, with colours', async () => {
    const { server, id } = await finished();
    const { json } = await get(server, `/project/1/tasks/${id}/output`);
    expect(json.slice(1)).toEqual([
      {
        task_id: id,
        time: expect.stringMatching(/^2026-06-01T12:00:00\.\d{9}Z$/),
        output: '\u001b[32mgreen\u001b[0m "quoted"',
      },
      { task_id: id, time: expect.any(String), output: 'second' },
    ]);
  });

  it('GET /tasks/{id}/output of a task without a log is an empty list', async () => {
    const server = await start();
    await ScriptedRunner.register(server);
    expect((await get(server, `/project/1/tasks/${await server.createTask({ template_id: 34 })}/output`)).json).toEqual(
      [],
    );
  });

  it('GET /tasks/{id}/raw_output: plain text without colours', async () => {
    const { server, id } = await finished();
    const answer = await get(server, `/project/1/tasks/${id}/raw_output`);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(answer.text.split('\n').slice(1)).toEqual(['green "quoted"', 'second', '']);
  });

  it('DELETE /tasks/{id}: refused while it runs', async () => {
    const { server, id, runner } = await finished();
    const second = await server.createTask({ template_id: 34 });
    await runner.get();
    const refusal = await server.call('DELETE', `/api/project/1/tasks/${second}`);
    expect(refusal).toMatchObject({
      status: 400,
      json: { error: `Task ${second} is starting; stop it before removing it` },
    });
    expect((await server.call('DELETE', `/api/project/1/tasks/${id}`)).status).toBe(204);
    expect((await get(server, `/project/1/tasks/${id}`)).status).toBe(404);
    expect((await get(server, `/project/1/tasks/${id}/output`)).status).toBe(404);
  });

  it('removes the oldest beyond the number that is kept', async () => {
    const server = await TestServer.start({ project, file: { history_max_tasks: 2 } });
    for (let count = 0; count < 5; count += 1) await server.createTask({ template_id: 34 });
    await expect
      .poll(async () => (await get(server, '/project/1/tasks')).json.map(({ id }: { id: number }) => id))
      .toEqual([5, 4]);
  });
});

describe('runners', () => {
  it('GET, POST, PUT, DELETE /runners[/{id}]', async () => {
    const server = await start();
    const created = await server.call('POST', '/api/runners', {
      name: 'r',
      tags: ['a'],
      active: false,
      max_parallel_tasks: 3,
      webhook: 'http://x',
    });
    expect(created).toMatchObject({
      status: 201,
      json: {
        id: 1,
        name: 'r',
        tags: ['a'],
        active: false,
        max_parallel_tasks: 3,
        webhook: 'http://x',
        registered: true,
        project_id: null,
        touched: null,
        token: expect.any(String),
      },
    });
    expect((await get(server, '/runners/1')).json).not.toHaveProperty('token');
    expect(
      (
        await server.call('PUT', '/api/runners/1', {
          name: 'renamed',
          tags: ['b'],
          max_parallel_tasks: 1,
          webhook: '',
          is_default: true,
        })
      ).status,
    ).toBe(204);
    expect((await server.call('POST', '/api/runners/1/active', { active: true })).status).toBe(204);
    expect((await get(server, '/runners')).json).toMatchObject([
      { name: 'renamed', tags: ['b'], max_parallel_tasks: 1, webhook: '', active: true, is_default: true },
    ]);
    expect((await get(server, '/runner_tags')).json).toEqual([{ tag: 'b', number_of_runners: 1 }]);
    const polled = await fetch(`${server.url}/api/internal/runners`, {
      headers: { 'x-runner-token': created.json.token },
    });
    expect(polled.status).toBe(200);
    expect((await get(server, '/runners/1')).json).toMatchObject({ online: true, touched: expect.any(String) });
    expect((await server.call('DELETE', '/api/runners/1')).status).toBe(204);
    expect((await get(server, '/runners/1')).status).toBe(404);
  });

  it('of one project are apart', async () => {
    const server = await start();
    await server.call('POST', '/api/runners', { name: 'global' });
    expect((await server.call('POST', '/api/project/1/runners', { name: 'own' })).json).toMatchObject({
      project_id: 1,
    });
    expect((await get(server, '/project/1/runners')).json).toMatchObject([{ name: 'own' }]);
    expect((await get(server, '/project/1/runners/1')).status).toBe(404);
    expect((await get(server, '/runners')).json).toHaveLength(2);
  });

  it.each([
    ['/runners', { max_parallel_tasks: -1 }, 'max_parallel_tasks'],
    ['/runners', { tags: 'a' }, 'tags'],
    ['/runners', { project_id: 9 }, 'project_id'],
  ])('POST %s %j is refused', async (path, body, field) => {
    const answer = await (await start()).call('POST', `/api${path}`, body);
    expect(answer).toMatchObject({ status: 400, json: { error: expect.stringContaining(field) } });
  });
});
