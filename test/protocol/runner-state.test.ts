import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRunnerState, encodeRunnerState, type JobData } from '../../src/protocol/ui/index.ts';
import { UserError } from '../../src/lib/index.ts';
import { anyState, disfigure } from './arbitraries.ts';

function fixture(name: string): unknown {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/protocol', name), 'utf8'));
}

function decodeJob(wire: unknown): JobData {
  const { newJobs, problems } = decodeRunnerState({ new_jobs: [wire] });
  expect(problems).toEqual([]);
  const [job] = newJobs;
  if (!job) throw new Error('no job');
  return job;
}

/** A job as a server from 2.12 on sends it, with as little as it may hold. */
function minimal(task: object = {}, template: object = {}): object {
  return { task: { id: 1, ...task }, template: { id: 2, app: 'ansible', ...template }, repository: { id: 3 } };
}

describe('the complete example of the specification (4.10)', () => {
  it('is read field by field', () => {
    const state = decodeRunnerState(fixture('get-ansible.json'));
    expect(state.problems).toEqual([]);
    expect(state.currentJobs).toEqual([{ id: 4705, status: 'running' }]);
    expect([...state.accessKeys.keys()]).toEqual([11, 12, 13, 14, 15]);
    expect(state.accessKeys.get(13)).toEqual({
      id: 13,
      name: 'sudo',
      type: 'login_password',
      projectId: 7,
      string: '',
      loginPassword: { login: 'root', password: 'sudopw' },
      ssh: { login: '', passphrase: '', privateKey: '' },
      overrideSecret: false,
    });
    expect(state.accessKeys.get(11)?.ssh.privateKey).toContain('BEGIN OPENSSH');
    const [job] = state.newJobs;
    expect(job).toMatchObject({
      username: 'alice',
      incomingVersion: undefined,
      alias: '',
      task: {
        id: 4711,
        status: 'starting',
        secret: '{"db_password":"s3cr3t"}',
        arguments: '["--forks=10"]',
        params: { kind: 'ansible', debug: true, debugLevel: 2, dryRun: false, diff: true, limit: ['web'], tags: [] },
      },
      template: {
        environmentIds: [4, 5],
        vaults: [
          { vaultKeyId: 15, name: 'prod', type: 'password' },
          { name: 'ext', type: 'script', script: 'scripts/vault-client.sh' },
        ],
        surveyVars: [
          { defaultValue: 'eu', values: [{ name: 'Europe', value: 'eu' }] },
          { required: true },
          { target: 'env' },
        ],
        taskParams: { kind: 'ansible', allowDebug: true, tags: ['deploy'], limit: [], galaxyRoleArgs: [] },
        allowParallelTasks: true,
      },
      inventory: { type: 'static', sshKeyId: 12, becomeKeyId: 13 },
      inventoryRepository: undefined,
      environment: { secrets: [{ type: 'env', name: 'API_TOKEN', secret: 'tok-123' }, { type: 'var' }] },
      jwt: 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln',
      hostConfigs: [{ type: 'url', host: 'https://git.example.com/roles/', sshKeyId: 14 }],
    });
    expect(job?.task.params).not.toHaveProperty('skipTags', expect.anything());
  });

  it('gives terraform parameters for a tofu template', () => {
    const job = decodeJob(fixture('job-tofu.json'));
    expect(job.task.params).toEqual({
      kind: 'terraform',
      plan: false,
      destroy: false,
      autoApprove: false,
      upgrade: true,
      reconfigure: false,
    });
    expect(job.template.taskParams).toEqual({
      kind: 'terraform',
      allowDestroy: false,
      allowAutoApprove: true,
      autoApprove: false,
      overrideBackend: true,
      backendFilename: 'zz_backend.tf',
    });
    expect(job).toMatchObject({ incomingVersion: '1.4.2', alias: 'tf-7-abc', environment: { env: undefined } });
  });
});

describe('the shape of servers up to 2.10', () => {
  it('has its flags at the top of the task, and no permissions to ask for', () => {
    const job = decodeJob(fixture('job-old-shape.json'));
    expect(job.task.params).toMatchObject({
      kind: 'ansible',
      debug: true,
      dryRun: false,
      diff: true,
      limit: ['web,db'],
    });
    expect(job.task.params).toMatchObject({ debugLevel: undefined });
    expect(job.template.taskParams).toMatchObject({ kind: 'ansible', allowDebug: true, allowOverrideLimit: true });
    expect(job.template).toMatchObject({
      environmentIds: [],
      environmentId: 4,
      vaults: [{ type: 'password', vaultKeyId: 15 }],
    });
    expect(job.template.surveyVars).toEqual([
      { name: 'region', title: 'Region', required: true, type: '', description: undefined, values: [] },
    ]);
    expect(job.inventory).toMatchObject({ id: 21, type: 'static' });
    expect(job.task).not.toHaveProperty('dryRun');
  });

  it("always takes the task's branch, whatever the app", () => {
    const old = { debug: false, dry_run: false, diff: false, git_branch: 'topic' };
    for (const app of ['ansible', 'bash', 'terraform']) {
      expect(decodeJob(minimal(old, { app })).template.allowOverrideBranchInTask).toBe(true);
      const newer = decodeJob(minimal({ ...old, params: {} }, { app }));
      expect(newer.template.allowOverrideBranchInTask).toBe(false);
    }
  });

  it('does not lend its permissions to a newer server', () => {
    const newer = decodeJob(minimal({ params: { debug: true }, limit: 'web' }));
    expect(newer.task.params).toMatchObject({ debug: true, limit: undefined });
    expect(newer.template.taskParams).toMatchObject({ allowDebug: false, allowOverrideLimit: false });
    expect(decodeJob(minimal({ limit: '' })).template.taskParams).toMatchObject({ allowDebug: false });
  });
});

describe('decoding', () => {
  it('tells a list that was not given from one that was given empty', () => {
    const params = decodeJob(minimal({ params: { limit: null, tags: [] } })).task.params;
    expect(params).toMatchObject({ limit: undefined, tags: [] });
  });

  it.each([
    ['bash', 'other'],
    ['', 'ansible'],
    ['terragrunt', 'terraform'],
    ['my-own', 'other'],
  ])('knows the kind of app %j', (app, kind) => {
    const job = decodeJob(minimal({ params: { anything: [1] } }, { app, task_params: { x: {} } }));
    expect(job.task.params.kind).toBe(kind);
    expect(job.template.taskParams.kind).toBe(kind);
  });

  it('takes null for every key, quoted integers, and missing objects as their zero values', () => {
    const job = decodeJob({
      Username: null,
      task: { id: '17', params: null, user_id: '0', message: '' },
      template: null,
      inventory: null,
      repository: { id: 3, ssh_key_id: '11' },
      environment: null,
      host_configs: null,
    });
    expect(job).toMatchObject({
      username: '',
      task: { id: 17, userId: undefined, message: undefined, status: 'starting' },
      template: { id: 0, vaults: [] },
      inventory: { id: 0, type: '' },
      repository: { sshKeyId: 11 },
      environment: { json: '', secrets: [] },
      hostConfigs: [],
    });
  });

  it('accepts an empty object, null lists, and a map of keys that is null', () => {
    const nothing = { currentJobs: [], newJobs: [], clearCache: false, problems: [] };
    expect(decodeRunnerState({})).toMatchObject(nothing);
    const idle = decodeRunnerState({ CurrentJobs: null, new_jobs: null, access_keys: null });
    expect(idle).toMatchObject(nothing);
    expect(idle.accessKeys.size).toBe(0);
  });

  it('reads the order to clear the cache', () => {
    expect(decodeRunnerState({ clear_cache: true })).toMatchObject({
      clearCache: true,
      cacheCleanProjectId: undefined,
    });
    expect(decodeRunnerState({ clear_cache: true, cache_clean_project_id: 7 })).toMatchObject({
      cacheCleanProjectId: 7,
    });
  });

  it('loses one malformed entry, not its neighbours, and names it without its values', () => {
    const state = decodeRunnerState({
      CurrentJobs: [{ id: 1, status: 'dancing' }, 'x', { id: 2, status: 'running' }],
      new_jobs: [
        minimal({ id: 10, params: { limit: ['ok', { secret: 'hush' }] } }),
        minimal({ id: 11 }),
        minimal({ id: 12 }, { task_params: { limit: 'hush' } }),
        { task: { id: 13, message: ['hush'] } },
        { template: {} },
        null,
      ],
      access_keys: { 1: { type: 'ssh' }, 2: { type: 'hush' }, x: {}, 3: null },
      clear_cache: 'yes',
    });
    expect(state.currentJobs).toEqual([{ id: 2, status: 'running' }]);
    expect(state.newJobs.map((job) => job.task.id)).toEqual([11]);
    expect([...state.accessKeys.keys()]).toEqual([1, 3]);
    expect(state.problems).toEqual([
      expect.stringMatching(/^answer\.clear_cache: expected boolean/),
      expect.stringMatching(/^CurrentJobs\[0\] \(task 1\)\.status: Invalid option/),
      'CurrentJobs[1]: expected an object',
      expect.stringMatching(/^new_jobs\[0\] \(task 10\)\.task\.params\.limit\[1\]: expected string/),
      expect.stringMatching(/^new_jobs\[2\] \(task 12\)\.template\.task_params\.limit: expected array/),
      expect.stringMatching(/^new_jobs\[3\] \(task 13\)\.task\.message: expected string/),
      'new_jobs[4].task.id: expected an id',
      'new_jobs[5]: expected an object',
      expect.stringMatching(/^access_keys\.2\.type: Invalid option/),
      'access_keys: "x" is not a key id',
    ]);
    expect(state.problems.join('\n')).not.toContain('hush');
  });

  it('keeps the keys when the lists are no lists', () => {
    const state = decodeRunnerState({ CurrentJobs: {}, new_jobs: 'none', access_keys: [] });
    expect(state.problems).toEqual([
      'CurrentJobs: expected an array',
      'new_jobs: expected an array',
      'access_keys: expected an object',
    ]);
  });

  it.each([[null], ['pong'], [[]], [42], [{ error: 'Invalid token' }], [{ status: 'ok', data: [] }]])(
    'refuses %j as the answer of something else',
    (json) => {
      expect(() => decodeRunnerState(json)).toThrow(UserError);
    },
  );
});

describe('encoding', () => {
  it('writes the casing that runners expect, null where the original does, and leaves the rest out', () => {
    const state = decodeRunnerState(fixture('get-ansible.json'));
    const wire = JSON.parse(encodeRunnerState(state));
    expect(Object.keys(wire)).toEqual(['CurrentJobs', 'new_jobs', 'access_keys']);
    const [job] = wire.new_jobs;
    expect(Object.keys(job)).toEqual([
      'Username',
      'IncomingVersion',
      'Alias',
      'task',
      'template',
      'inventory',
      'inventory_repository',
      'repository',
      'environment',
      'jwt',
      'host_configs',
    ]);
    expect(job).toMatchObject({
      IncomingVersion: null,
      inventory_repository: null,
      inventory: { repository_id: null },
    });
    expect(job.template).not.toHaveProperty('working_directory');
    expect(job.template).not.toHaveProperty('autorun');
    expect(wire.access_keys['12'].ssh.private_key).toContain('BBBB');
  });

  it('keeps everything that the example of the specification says', () => {
    const original = fixture('get-ansible.json');
    const written = JSON.parse(encodeRunnerState(decodeRunnerState(original)));
    expect(written).toMatchObject(withoutEmpty(original) ?? {});
  });

  it('always has an object of keys, and the order to clear the cache only when it is one', () => {
    const nothing = { currentJobs: [], newJobs: [], accessKeys: new Map() };
    expect(JSON.parse(encodeRunnerState(nothing))).toEqual({ CurrentJobs: [], new_jobs: [], access_keys: {} });
    expect(JSON.parse(encodeRunnerState({ ...nothing, clearCache: true, cacheCleanProjectId: 7 }))).toMatchObject({
      clear_cache: true,
      cache_clean_project_id: 7,
    });
  });

  it('gives runners up to 2.10 the flags where they look for them, with presets and permissions applied', () => {
    const encode = (taskParams: object, params: object): unknown => {
      const job = decodeJob(minimal({ params }, { task_params: taskParams }));
      return JSON.parse(encodeRunnerState({ currentJobs: [], newJobs: [job], accessKeys: new Map() })).new_jobs[0].task;
    };
    const own = { debug: true, dry_run: true, diff: true, limit: ['a', 'b'] };
    expect(encode({ allow_override_limit: true, limit: ['x'] }, own)).toMatchObject({
      debug: true,
      dry_run: true,
      diff: true,
      limit: 'a,b',
      params: own,
    });
    expect(encode({ limit: ['x', 'y'] }, own)).toMatchObject({ limit: 'x,y' });
    expect(encode({ allow_override_limit: true, limit: ['x'] }, { limit: null })).toMatchObject({ limit: 'x' });
  });

  it('is undone by decoding, for any answer', () => {
    fc.assert(
      fc.property(anyState, (state) => {
        expect(decodeRunnerState(JSON.parse(encodeRunnerState(state)))).toEqual(state);
      }),
      { numRuns: 150 },
    );
  });

  it('is undone by decoding whatever the casing of keys and the unknown keys around', () => {
    fc.assert(
      fc.property(anyState, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (state, numbers) => {
        const random = { next: () => Number(numbers.next().value) };
        const wire = disfigure(JSON.parse(encodeRunnerState(state)), random);
        expect(decodeRunnerState(wire)).toEqual(state);
      }),
      { numRuns: 100 },
    );
  });

  it('never throws on answers in which any value was replaced by any other', () => {
    fc.assert(
      fc.property(anyState, fc.jsonValue(), fc.nat(), (state, foreign, where) => {
        const wire = JSON.parse(encodeRunnerState(state));
        const places: [Record<string, unknown>, string][] = [];
        const collect = (value: unknown): void => {
          if (typeof value !== 'object' || value === null) return;
          for (const [key, item] of Object.entries(value)) {
            places.push([value as Record<string, unknown>, key]);
            collect(item);
          }
        };
        collect(wire);
        const [owner, key] = places[where % places.length] ?? [];
        if (owner && key !== undefined) owner[key] = foreign;
        const decoded = decodeRunnerState(wire);
        expect(decoded.newJobs.length).toBeLessThanOrEqual(state.newJobs.length + 1);
      }),
      { numRuns: 300 },
    );
  });
});

/** Without the keys that are empty, which need not come back as such. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) =>
      item === '' || item === null || (key === 'limit' && typeof item === 'string') ? [] : [[key, withoutEmpty(item)]],
    ),
  );
}
