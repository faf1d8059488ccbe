import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serverJsonSchema } from '../../src/config/server-schema.ts';
import { loadServerConfig } from '../../src/config/server-loader.ts';
import { ConfigError } from '../../src/lib/index.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'server-file-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function load(yaml: string, env: Record<string, string> = {}) {
  const file = join(dir, 'server.yaml');
  await writeFile(file, yaml);
  return await loadServerConfig(file, env);
}

async function refusal(yaml: string, env: Record<string, string> = {}): Promise<ConfigError> {
  try {
    await load(yaml, env);
  } catch (error: unknown) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the file was accepted');
}

const small = `
projects:
  - name: Home
    repositories:
      - name: scripts
        git_url: ./scripts
    templates:
      - name: Hello
        app: bash
        playbook: hello.sh
        repository: scripts
`;

describe('a server file', () => {
  it('works with ten lines', async () => {
    const { config } = await load(small);
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 3000 });
    expect(config.runners).toMatchObject({
      offlineTimeoutMs: 120_000,
      taskFailTimeoutMs: 420_000,
      reconcileIntervalMs: 30_000,
    });
    expect(config.projects[0]?.repositories[0]).toMatchObject({ gitUrl: join(dir, 'scripts'), gitBranch: '' });
    expect(config.projects[0]?.templates[0]).toMatchObject({ app: 'bash', allowParallelTasks: false, surveyVars: [] });
  });

  it('accepts keys without value, an empty file, and numbers among environment variables', async () => {
    expect((await load('')).config.projects).toEqual([]);
    const { config } = await load(
      'projects:\n  - name: A\n    keys:\n    templates:\n    variable_groups:\n      - {name: g, env: {PORT: 80, ON: true}}\n',
    );
    expect(config.projects[0]?.variableGroups[0]?.env).toEqual({ PORT: '80', ON: 'true' });
  });

  it.each([
    ['3000', { host: '127.0.0.1', port: 3000 }],
    ['"0.0.0.0:80"', { host: '0.0.0.0', port: 80 }],
    ['"[::1]:443"', { host: '::1', port: 443 }],
    ['build.example.com:8080', { host: 'build.example.com', port: 8080 }],
  ])('listens where %s says', async (text, expected) => {
    expect((await load(`listen: ${text}`)).config.listen).toEqual(expected);
  });

  it.each([':3000', 'nowhere', '127.0.0.1:99999'])('refuses listen: %s', async (text) => {
    expect((await refusal(`listen: "${text}"`)).message).toContain('listen: expected host:port or a port');
  });
});

describe('secrets of a server file', () => {
  const withKey = (source: string): string => `
projects:
  - name: Home
    keys:
      - {name: k, type: login_password, login: bob, password: ${source}}
`;

  it('are inline, from a file, or from a variable', async () => {
    await writeFile(join(dir, 'pw'), 'from file\n');
    const password = async (source: string) =>
      (await load(withKey(source), { PW: 'from env' })).config.projects[0]?.keys[0]?.password;
    expect(await password('inline')).toBe('inline');
    expect(await password('{file: ./pw}')).toBe('from file');
    expect(await password('{env: PW}')).toBe('from env');
  });

  it('name the file or the variable that is missing', async () => {
    expect((await refusal(withKey('{file: ./nope}'))).message).toContain(
      `the file ${join(dir, 'nope')} does not exist`,
    );
    expect((await refusal(withKey('{env: NOPE}'))).message).toContain('the environment variable NOPE is not set');
  });

  it('are never shown in a message', async () => {
    const error = await refusal(withKey('12345678'));
    expect(error.message).toContain('expected a text in quotes, { file: path } or { env: NAME }');
    expect(error.message).not.toContain('12345678');
  });
});

describe('a mistake in a server file', () => {
  it('is named with file, line, column, key, value and expectation', async () => {
    const error = await refusal(small.replace('name: Hello', 'name: Hello\n        allow_parallel_tasks: "yes"'));
    expect(error).toMatchObject({
      source: join(dir, 'server.yaml'),
      line: 9,
      column: 9,
      key: 'projects[0].templates[0].allow_parallel_tasks',
    });
    expect(error.message).toBe(
      `${join(dir, 'server.yaml')}:9:9: projects[0].templates[0].allow_parallel_tasks: expected true or false, got "yes"`,
    );
  });

  it('suggests the nearest key', async () => {
    const error = await refusal(small.replace('playbook:', 'playbok:'));
    expect(error.message).toContain('this key is not known here; did you mean "playbook"?');
  });

  it('suggests the nearest name for a reference that leads nowhere', async () => {
    const error = await refusal(small.replace('repository: scripts', 'repository: script'));
    expect(error).toMatchObject({ line: 11, key: 'projects[0].templates[0].repository' });
    expect(error.message).toContain('this project has no repository "script"; did you mean "scripts"?');
  });

  it('names what there is when nothing is near', async () => {
    expect((await refusal(small.replace('repository: scripts', 'repository: xyz'))).message).toContain(
      'there is scripts',
    );
  });

  it('does not hide the others', async () => {
    const error = await refusal(small.replace('app: bash', 'app: 3').replace('playbook: hello.sh', 'autorun: 3'));
    expect(error.message).toMatch(/server\.yaml: 2 problems:\n {2}line 9, column 9: .*app.*\n {2}line 10/);
  });

  it('that is a missing key points at the object that lacks it', async () => {
    const error = await refusal('projects:\n  - name: A\n    repositories:\n      - name: r\n');
    expect(error).toMatchObject({ line: 4, key: 'projects[0].repositories[0].git_url' });
    expect(error.message).toContain('is missing; expected a text');
  });

  it('is not valid YAML', async () => {
    expect(await refusal('projects: [')).toMatchObject({ line: 1 });
  });

  it('is a file that is not there', async () => {
    await expect(loadServerConfig(join(dir, 'none.yaml'), {})).rejects.toMatchObject({
      hint: expect.stringContaining('--config'),
    });
  });

  const project = (rest: string): string =>
    `projects:\n  - name: P\n    repositories: [{name: r, git_url: /srv/r}]\n${rest}`;
  const templates = (rest: string): string =>
    project(`    templates:\n      - {name: t, repository: r, playbook: x.yml, ${rest}}\n`);

  it.each([
    [
      'two objects of one name',
      project('    keys: [{name: k, type: none}, {name: k, type: none}]'),
      'another key has this name already',
    ],
    [
      'two objects of one id',
      project('    keys: [{id: 1, name: k, type: none}, {id: 1, name: l, type: none}]'),
      'has this id already',
    ],
    [
      'a key of the wrong type',
      project(
        '    keys: [{name: k, type: string, value: x}]\n    inventories: [{name: i, inventory: "", become_key: k}]',
      ),
      'expected a key of type login_password or none; "k" is of type string',
    ],
    [
      'an unknown type of key',
      project('    keys: [{name: k, type: rsa}]'),
      'expected type: ssh, login_password, string or none',
    ],
    [
      'a workspace for Ansible',
      templates('inventory: i') + '    inventories: [{name: i, type: tofu-workspace, inventory: prod}]',
      'expected an inventory of type static, static-yaml or file for ansible',
    ],
    [
      'params of another app',
      templates('task_params: {auto_approve: true}'),
      'projects[0].templates[0].task_params.auto_approve: this key is not known here'.split(': ')[1],
    ],
    ['a deployment without build', templates('type: deploy'), 'names the template that builds'],
    ['a build without version', templates('type: build'), 'needs the version of its first task'],
    ['a vault without password', templates('vaults: [{name: prod}]'), 'expected either key or script'],
    [
      'an app without file',
      project('    templates: [{name: t, repository: r, app: bash}]'),
      'an app such as bash needs the file it runs',
    ],
    ['a short API token', 'api_tokens: [{name: ci, token: short}]', 'expected at least 16 characters'],
    [
      'a schedule that does not answer',
      templates('survey_vars: [{name: region, required: true}]') +
        '    schedules: [{name: s, template: t, cron: "@daily"}]',
      'lacks region, which template "t" requires',
    ],
    [
      'env that is no text',
      project('    variable_groups: [{name: g, env: {A: [1]}}]'),
      'expected a text, a number, true or false',
    ],
  ])('is %s', async (_, yaml, expected) => {
    expect((await refusal(yaml)).message).toContain(expected);
  });
});

describe('the JSON Schema of the server file', () => {
  it('describes every key', () => {
    const undescribed: string[] = [];
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      for (const [key, child] of Object.entries(
        (node as { properties?: Record<string, { description?: string }> }).properties ?? {},
      )) {
        if (!child.description && !path.includes('task_params') && !path.includes('.params'))
          undescribed.push(`${path}.${key}`);
        walk(child, `${path}.${key}`);
      }
      for (const key of ['items', 'anyOf', 'oneOf', 'allOf'] as const) {
        const child = (node as Record<string, unknown>)[key];
        for (const item of Array.isArray(child) ? child : [child]) walk(item, path);
      }
    };
    walk(serverJsonSchema(), '');
    expect(undescribed.filter((path) => !/\.(file|env|value)$/.test(path))).toEqual([]);
  });
});
