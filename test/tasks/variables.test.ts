import { describe, expect, it } from 'vitest';
import { collectSecrets } from '../../src/tasks/collect-secrets.ts';
import { extraArguments } from '../../src/tasks/arguments.ts';
import { textOf, readVariables } from '../../src/tasks/variables.ts';
import { delivered, type JobParts } from './support.ts';

function read(parts: JobParts) {
  const { open, surveySecrets, ...rest } = readVariables(delivered(parts).job);
  const texts = (values: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, textOf(value)]));
  return { open: texts(open), surveySecrets: texts(surveySecrets), ...rest };
}

describe('readVariables', () => {
  it('sorts out the example of the specification', () => {
    expect(
      read({
        job: { jwt: 'eyJ.e30.c2ln' },
        task: { secret: '{"db_password":"s3cr3t"}' },
        template: {
          survey_vars: [
            { name: 'region', title: 'Region', type: 'enum' },
            { name: 'db_password', title: 'DB password', type: 'secret' },
            { name: 'RUN_MODE', title: 'Mode', target: 'env' },
          ],
        },
        environment: {
          json: '{"region":"eu","app_port":8080,"RUN_MODE":"fast"}',
          env: '{"HTTP_TIMEOUT":"30"}',
          secrets: [
            { id: 51, type: 'env', name: 'API_TOKEN', secret: 'tok-123' },
            { id: 52, type: 'var', name: 'ldap_pass', secret: 'p4ss' },
          ],
        },
      }),
    ).toEqual({
      open: { region: 'eu', app_port: '8080' },
      surveySecrets: { db_password: 's3cr3t' },
      groupSecrets: { ldap_pass: 'p4ss' },
      env: { HTTP_TIMEOUT: '30', API_TOKEN: 'tok-123', SEMAPHORE_JWT: 'eyJ.e30.c2ln', RUN_MODE: 'fast' },
    });
  });

  it('lets a secret win over an open variable of its name, also as environment', () => {
    const { open, surveySecrets, env } = read({
      task: { secret: '{"a":"secret","TOKEN":"t0ken"}' },
      template: { survey_vars: [{ name: 'TOKEN', title: '', type: 'secret', target: 'env' }] },
      environment: { json: '{"a":"open","TOKEN":"open"}' },
    });
    expect({ open, surveySecrets, env }).toEqual({ open: {}, surveySecrets: { a: 'secret' }, env: { TOKEN: 't0ken' } });
  });

  it('writes numbers in plain decimals, as they were typed, and the rest as compact JSON', () => {
    const json = '{"big":12345678901234567890,"million":1e6,"version":1.10,"list":[1, "a"],"on":true,"none":null}';
    expect(read({ environment: { json } }).open).toEqual({
      big: '12345678901234567890',
      million: '1000000',
      version: '1.10',
      list: '[1,"a"]',
      on: 'true',
      none: 'null',
    });
  });

  it('takes numbers as environment, too', () => {
    expect(read({ environment: { env: '{"PORT":8080,"DEBUG":true}' } }).env).toEqual({ PORT: '8080', DEBUG: 'true' });
  });

  it.each<[string, JobParts, RegExp]>([
    ['group variables', { environment: { json: '[1]' } }, /variables of the variable group are not a JSON object/],
    ['environment', { environment: { env: 'nonsense' } }, /environment of the variable group/],
    ['survey secrets', { task: { secret: '"x"' } }, /survey secrets/],
    ['a name with =', { environment: { env: '{"A=B":"1"}' } }, /"A=B" cannot be an environment variable/],
    ['a zero byte', { environment: { env: String.raw`{"A":"x\u0000y"}` } }, /cannot be an environment variable/],
  ])('refuses %s that cannot be used', (_what, parts, message) => {
    expect(() => read(parts)).toThrow(message);
  });
});

describe('extraArguments', () => {
  it('takes those of the template, and those of the task where it may', () => {
    const parts = { task: { arguments: '["--forks=10"]' }, template: { arguments: '["-e", 5]' } };
    expect(extraArguments(delivered(parts).job)).toEqual({ template: ['-e', '5'], task: [] });
    const allowed = { ...parts, template: { ...parts.template, allow_override_args_in_task: true } };
    expect(extraArguments(delivered(allowed).job)).toEqual({ template: ['-e', '5'], task: ['--forks=10'] });
  });

  it.each(['--forks=10', '{"plan":[]}', '[["a"]]', '"x"'])('refuses %s', (text) => {
    expect(() => extraArguments(delivered({ template: { arguments: text } }).job)).toThrow(
      'invalid format of the template extra arguments, must be valid JSON',
    );
  });
});

describe('collectSecrets', () => {
  it('finds credentials in URLs wherever they stand, also within other secrets', () => {
    const found: string[] = [];
    const { job, keys } = delivered({
      task: { arguments: '["--index=https://ci:arg-pass@pypi.example/"]' },
      environment: {
        json: '{"db":"postgres://app:json-pass@db:5432/x"}',
        env: '{"PROXY":"http://u:env%21pass@proxy:3128"}',
        secrets: [{ id: 1, type: 'env', name: 'A', secret: 'amqps://q:inner-pass@mq' }],
      },
      keys: { 1: { type: 'string', string: 'https://glpat-lone@git.example/x' } },
    });
    collectSecrets(job, keys, { add: (value) => void found.push(value) });
    for (const secret of ['arg-pass', 'json-pass', 'env%21pass', 'env!pass', 'inner-pass', 'glpat-lone']) {
      expect(found).toContain(secret);
    }
    expect(found).toContain('amqps://q:inner-pass@mq');
  });

  it('finds everything secret in a job', () => {
    const found: string[] = [];
    const { job, keys } = delivered({
      job: {
        jwt: 'the-jwt',
        inventory_repository: { id: 9, name: 'i', project_id: 7, git_url: 'https://token-9@h/x', git_branch: 'main' },
      },
      task: { secret: '{"a":"survey","deep":{"list":["nested",12345]},"flag":true}' },
      repository: { git_url: 'https://bob:p%40ss/word@host.example/x.git' },
      environment: {
        secrets: [
          { id: 1, type: 'env', name: 'A', secret: 'group-env' },
          { id: 2, type: 'var', name: 'B', secret: 'group-var' },
        ],
      },
      keys: {
        1: { type: 'ssh', ssh: { login: 'git', passphrase: 'phrase', private_key: 'KEY' } },
        2: { type: 'login_password', login_password: { login: 'root', password: 'sudopw' } },
        3: { type: 'string', string: 'a string' },
      },
    });
    collectSecrets(job, keys, { add: (value) => void found.push(value) });
    expect(new Set(found.filter((value) => value !== ''))).toEqual(
      new Set([
        'the-jwt',
        'token-9',
        'survey',
        'nested',
        '12345',
        'p@ss/word',
        'p%40ss/word',
        'group-env',
        'group-var',
        'phrase',
        'KEY',
        'sudopw',
        'a string',
      ]),
    );
  });
});
