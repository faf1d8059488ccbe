import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agentKeyTable, loadAgentOptions, type AgentOption, type AgentOptions } from '../../src/config/index.ts';
import { ConfigError, UserError } from '../../src/lib/index.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Given {
  /** Content of a file that `--config-file` names. */
  file?: string;
  /** @default config.yaml */
  fileName?: string;
  env?: Record<string, string>;
  flags?: Record<string, string | string[]>;
}

const enough = { endpoint: 'acme.example.test', token: 'rt-5f0c' };

async function load({ file, fileName = 'config.yaml', env = {}, flags = {} }: Given = {}): Promise<AgentOptions> {
  const cwd = tempDir();
  const all: Record<string, string | string[]> = { ...flags };
  if (file !== undefined) {
    writeFileSync(join(cwd, fileName), file);
    all['config-file'] = fileName;
  }
  const entries = Object.entries(all).map(([key, value]) => [key, [value].flat()] as const);
  return await loadAgentOptions({ flags: new Map(entries), env: { HOME: '/home/ci', ...env }, cwd });
}

/** With what every agent needs, from variables. */
const loadEnough = (given: Given = {}) =>
  load({
    ...given,
    env: { SEMAPHORE_AGENT_ENDPOINT: enough.endpoint, SEMAPHORE_AGENT_TOKEN: enough.token, ...given.env },
  });

async function failure(
  loading: Promise<unknown>,
): Promise<{ message: string; hint: string | undefined; fatal: boolean }> {
  const error: unknown = await loading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof UserError)) throw new Error(`not refused: ${String(error)}`);
  return { message: error.message, hint: error.hint, fatal: error instanceof ConfigError };
}

const { options } = agentKeyTable();

/** Where an option is found in the result. */
const places: Record<string, (result: AgentOptions) => unknown> = {
  name: (r) => r.name,
  'name-from-env': (r) => r.name,
  endpoint: (r) => r.endpoint,
  token: (r) => r.token,
  'no-https': (r) => r.noHttps,
  'shutdown-hook-path': (r) => r.shutdownHookPath,
  'pre-job-hook-path': (r) => r.hooks.preJob?.path,
  'post-job-hook-path': (r) => r.hooks.postJob?.path,
  'disconnect-after-job': (r) => r.disconnectAfterJob,
  'job-id': (r) => r.jobId,
  'disconnect-after-idle-timeout': (r) => r.idleTimeout,
  'interruption-grace-period': (r) => r.interruptionGracePeriod,
  'env-vars': (r) => r.hostVariables,
  files: (r) => r.files,
  'fail-on-missing-files': (r) => r.failOnMissingFiles,
  'upload-job-logs': (r) => r.uploadJobLogs,
  'fail-on-pre-job-hook-error': (r) => r.hooks.preJob?.failOnError,
  'source-pre-job-hook': (r) => r.hooks.preJob?.source,
  'kubernetes-executor': (r) => r.kubernetes.enabled,
  'kubernetes-pod-spec': (r) => r.kubernetes.podSpec,
  'kubernetes-allowed-images': (r) => r.kubernetes.allowedImages,
  'kubernetes-labels': (r) => r.kubernetes.labels,
  'kubernetes-pod-start-timeout': (r) => r.kubernetes.podStartTimeout,
  'kubernetes-default-image': (r) => r.kubernetes.defaultImage,
  'mask-job-secrets': (r) => r.maskJobSecrets,
  'state-dir': (r) => r.stateDirectory,
};

interface Sample {
  /** As in a flag and in a variable. */
  text: string;
  yaml: string;
  found: unknown;
}

function samplesOf({ name, kind }: AgentOption): [Sample, Sample] {
  switch (kind) {
    case 'switch':
      return [
        { text: 'true', yaml: 'true', found: true },
        { text: 'f', yaml: 'false', found: false },
      ];
    case 'number':
      return [
        { text: '17', yaml: '17', found: 17 },
        { text: '18', yaml: '"18"', found: 18 },
      ];
    case 'list': {
      const items: Record<string, string> = { 'env-vars': 'A=1', files: '/a:/b', 'kubernetes-labels': 'a=b' };
      const values: Record<string, unknown> = {
        'env-vars': [{ name: 'A', value: '1' }],
        files: [{ hostPath: '/a', destination: '/b' }],
        'kubernetes-labels': { a: 'b' },
      };
      const item = items[name] ?? '^a';
      const found = values[name] ?? ['^a'];
      return [
        { text: item, yaml: JSON.stringify([item]), found },
        { text: item, yaml: JSON.stringify(item), found },
      ];
    }
    default: {
      if (name === 'upload-job-logs') {
        return [
          { text: 'always', yaml: 'always', found: 'always' },
          { text: 'when-trimmed', yaml: 'when-trimmed', found: 'when-trimmed' },
        ];
      }
      if (name === 'name-from-env') {
        return [
          { text: 'HOSTNAME', yaml: 'HOSTNAME', found: 'builder-17' },
          { text: 'OTHER', yaml: 'OTHER', found: 'builder-18' },
        ];
      }
      return [
        { text: '/some/text', yaml: '/some/text', found: '/some/text' },
        { text: '/other', yaml: '"/other"', found: '/other' },
      ];
    }
  }
}

/** Others that an option needs to show. */
function companions(name: string): Record<string, string> {
  const env: Record<string, string> = { HOSTNAME: 'builder-17', OTHER: 'builder-18' };
  if (name === 'endpoint' || name === 'token') env[`SEMAPHORE_AGENT_${name.toUpperCase()}`] = '';
  if (name === 'job-id') env['SEMAPHORE_AGENT_DISCONNECT_AFTER_JOB'] = '1';
  if (/pre-job-hook/.test(name) && name !== 'pre-job-hook-path') env['SEMAPHORE_AGENT_PRE_JOB_HOOK_PATH'] = '/hook';
  return env;
}

describe.each(options.map((option) => [option.name, option] as const))('the option %s', (name, option) => {
  const placeOf = places[name] ?? (() => `no place for ${name}`);
  const [first, second] = samplesOf(option);

  it('is described, and has the variable of its name', () => {
    expect(option.schema.description).toMatch(/\S.*\.$/);
    expect(option.variable).toBe(`SEMAPHORE_AGENT_${name.toUpperCase().replaceAll('-', '_')}`);
  });

  it('comes from a flag, else a variable, else the file', async () => {
    const env = companions(name);
    const { variable } = option;
    const file = `${name}: ${second.yaml}\n`;
    expect(placeOf(await loadEnough({ env, file }))).toEqual(second.found);
    expect(placeOf(await loadEnough({ env: { ...env, [variable]: first.text }, file }))).toEqual(first.found);
    const flags = { [name]: second.text };
    expect(placeOf(await loadEnough({ env: { ...env, [variable]: first.text }, file, flags }))).toEqual(second.found);
    expect(
      placeOf(await loadEnough({ env, fileName: 'x.json', file: JSON.stringify({ [name]: first.text }) })),
    ).toEqual(first.found);
  });

  it('is as without a variable when that is empty', async () => {
    const env = { ...companions(name), [option.variable]: '' };
    if (name === 'endpoint' || name === 'token') {
      expect((await failure(loadEnough({ env }))).message).toMatch(/was not specified/);
    } else expect(placeOf(await loadEnough({ env, file: `${name}: ${first.yaml}` }))).toEqual(first.found);
  });
});

describe('defaults', () => {
  it('are those of the original', async () => {
    const { name, ...rest } = await loadEnough();
    expect(name).toMatch(/^[\w-]{20}$/);
    expect(rest).toEqual({
      endpoint: enough.endpoint,
      token: enough.token,
      noHttps: false,
      shutdownHookPath: '',
      hooks: { preJob: undefined, postJob: undefined },
      disconnectAfterJob: false,
      jobId: '',
      idleTimeout: 0,
      interruptionGracePeriod: 0,
      hostVariables: [],
      files: [],
      failOnMissingFiles: false,
      uploadJobLogs: 'never',
      kubernetes: {
        enabled: false,
        podSpec: '',
        allowedImages: [],
        labels: {},
        podStartTimeout: 300,
        defaultImage: '',
      },
      maskJobSecrets: false,
      stateDirectory: undefined,
      sensitiveVariables: ['SEMAPHORE_AGENT_TOKEN'],
    });
  });

  it('of the pod start time-out: 0 stands for 60', async () => {
    expect((await loadEnough({ flags: { 'kubernetes-pod-start-timeout': '0' } })).kubernetes.podStartTimeout).toBe(60);
  });
});

describe('the file', () => {
  it.each(['yaml', 'yml', 'YAML', 'json'])('may end in .%s', async (ending) => {
    const file = '{"endpoint": "e", "token": "t"}';
    expect(await load({ file, fileName: `c.${ending}` })).toMatchObject({ endpoint: 'e', token: 't' });
  });

  it.each([
    ['c.toml', 'endpoint = "x"', /^Error reading config file .*c\.toml: \.toml files are not read here$/],
    ['c.env', 'endpoint=x', /^Error reading config file .*c\.env: \.env files are not read here$/],
    ['c', 'endpoint: x', /^Error reading config file .*c: its name tells no format$/],
    ['c.yaml', 'a: [', /^Error reading config file .*c\.yaml:1:\d+: not valid YAML/],
    ['c.json', '{', /^Error reading config file .*c\.json:1:\d+: not valid JSON/],
    ['c.yaml', '- a', /^Error reading config file .*c\.yaml: it must be a list of keys/],
  ])('is refused: %s %s', async (fileName, file, message) => {
    expect(await failure(loadEnough({ fileName, file }))).toMatchObject({
      message: expect.stringMatching(message),
      fatal: true,
    });
  });

  it('must be there', async () => {
    const missing = loadEnough({ flags: { 'config-file': 'none.yaml' } });
    expect((await failure(missing)).message).toMatch(/^Error reading config file .*none\.yaml: ENOENT/);
  });

  it.each([
    ['bogus: 1', 'bogus'],
    ['Bogus: 1', 'bogus'],
    ['expose-kvm-device: true', 'expose-kvm-device'],
    ['env_vars: []', 'env_vars'],
    ['a:\n  b:\n    C: 1', 'a.b.c'],
    ['env-vars:\n  FOO: bar', 'env-vars.foo'],
  ])('may hold options only: %s', async (file, key) => {
    expect(await failure(load({ file }))).toMatchObject({
      message: `Unrecognized option '${key}'. Exiting...`,
      fatal: true,
    });
  });

  it('tells what was meant, and where', async () => {
    const { hint } = await failure(loadEnough({ file: 'endpoint: x\ntokn: y' }));
    expect(hint).toMatch(/^It stands in .*config\.yaml:2:1\. Did you mean token\?$/);
  });

  it('has keys in any case, null for not set, and a config-file without effect', async () => {
    const file = 'EndPoint: x.test\nTOKEN: t\nname:\nconfig-file: other.toml\n';
    const loaded = await load({ file });
    expect(loaded).toMatchObject({ endpoint: 'x.test', token: 't' });
    expect(loaded.name).toHaveLength(20);
  });

  it('keeps texts as they are spelled', async () => {
    const loaded = await load({ file: 'endpoint: 10\ntoken: 1234e567\nname: 00012345\n' });
    expect(loaded).toMatchObject({ endpoint: '10', token: '1234e567', name: '00012345' });
  });

  it('is not named by a variable', async () => {
    expect(await loadEnough({ env: { SEMAPHORE_AGENT_CONFIG_FILE: '/nowhere.yaml' } })).toBeTruthy();
  });

  it('may be empty, and variables that are no options mean nothing', async () => {
    expect(await loadEnough({ file: '', env: { SEMAPHORE_AGENT_BOGUS: '1' } })).toBeTruthy();
  });
});

describe('what cannot be read', () => {
  it.each(['maybe', 'yes', 'on', '2', 'TrUe'])('is no switch: %s', async (word) => {
    const env = { SEMAPHORE_AGENT_NO_HTTPS: word };
    const message = `environment variable SEMAPHORE_AGENT_NO_HTTPS: no-https is "${word}"; expected true or false`;
    expect(await failure(loadEnough({ env }))).toMatchObject({ message, fatal: true });
    const { message: ofFile } = await failure(loadEnough({ file: `no-https: "${word}"` }));
    expect(ofFile).toMatch(/config\.yaml:1:1: no-https is ".*"; expected true or false$/);
    expect(await failure(loadEnough({ flags: { 'no-https': word } }))).toMatchObject({
      message: `invalid argument "${word}" for --no-https: expected true or false`,
      fatal: false,
    });
  });

  it.each(['1', 't', 'T', 'TRUE', 'true', 'True', '0', 'f', 'F', 'FALSE', 'false', 'False'])(
    'is not this one: %s',
    async (word) => {
      const { noHttps } = await loadEnough({ env: { SEMAPHORE_AGENT_NO_HTTPS: word } });
      expect(noHttps).toBe(/^[1t]/i.test(word));
    },
  );

  it.each(['x', '1.5', '1s', '99999999999999999999'])('is no number: %s', async (word) => {
    const env = { SEMAPHORE_AGENT_INTERRUPTION_GRACE_PERIOD: word };
    expect(await failure(loadEnough({ env }))).toMatchObject({
      message: expect.stringContaining('a whole number'),
      fatal: true,
    });
    expect(await failure(loadEnough({ flags: { 'interruption-grace-period': word } }))).toMatchObject({ fatal: false });
    expect((await failure(loadEnough({ file: `interruption-grace-period: ${word}` }))).fatal).toBe(true);
  });

  it.each(['token: [a]', 'env-vars: [{A: 1}]', 'env-vars: [[A]]'])('is of another kind: %s', async (file) => {
    const { message, fatal } = await failure(loadEnough({ file }));
    expect({ message, fatal }).toEqual({
      message: expect.stringMatching(/is of another kind; expected /),
      fatal: true,
    });
  });

  it('is not quoted when it is secret', async () => {
    const { message } = await failure(loadEnough({ flags: { 'env-vars': 'A=1,"secret' } }));
    expect(message).toMatch(/^invalid argument /);
    expect((await failure(loadEnough({ file: 'token: [hidden]' }))).message).not.toContain('hidden');
  });
});

describe('lists', () => {
  it.each([
    [['A=1,B=2'], 'A=1 B=2'],
    [['A=1', 'B=2,C=3'], 'A=1 B=2 C=3'],
    [['"A=1,2",B="x"'], undefined],
    [['"A=1,2","B=a ""b"""'], 'A=1,2 B=a "b"'],
    [[''], ''],
    [['A='], 'A='],
  ])('in flags: %j', async (given, expected) => {
    const loading = loadEnough({ flags: { 'env-vars': given } });
    if (expected === undefined) expect((await failure(loading)).fatal).toBe(false);
    else {
      const { hostVariables } = await loading;
      expect(hostVariables.map(({ name, value }) => `${name}=${value}`).join(' ')).toBe(expected);
    }
  });

  it('of flags, whatever the items hold, come back when quoted', async () => {
    const quoted = (items: string[]) => items.map((item) => `"${item.replaceAll('"', '""')}"`).join(',');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string(), { minLength: 1, maxLength: 4 }), async (values) => {
        const items = values.map((value, index) => `N${index}=${value}`);
        const { hostVariables } = await loadAgentOptions({
          flags: new Map([
            ['endpoint', ['e']],
            ['token', ['t']],
            ['env-vars', [quoted(items)]],
          ]),
          env: {},
          cwd: '/',
        });
        expect(hostVariables.map(({ value }) => value)).toEqual(values);
      }),
      { numRuns: 100 },
    );
  });

  it('in variables are parted by whitespace, not by commas', async () => {
    const env = { SEMAPHORE_AGENT_ENV_VARS: ' A=1,2\n\tB=3 ' };
    expect((await loadEnough({ env })).hostVariables).toEqual([
      { name: 'A', value: '1,2' },
      { name: 'B', value: '3' },
    ]);
  });

  it('in a file are lists, or one text', async () => {
    const [a, b] = [
      { name: 'A', value: 'x y' },
      { name: 'B', value: '1' },
    ];
    expect((await loadEnough({ file: 'env-vars: ["A=x y", B=1]' })).hostVariables).toEqual([a, b]);
    expect((await loadEnough({ file: 'env-vars: A=x B=1' })).hostVariables).toEqual([{ name: 'A', value: 'x' }, b]);
    expect((await loadEnough({ file: 'env-vars: []' })).hostVariables).toEqual([]);
  });
});

describe('items', () => {
  it('of env-vars are parted at the first =', async () => {
    const { hostVariables } = await loadEnough({ flags: { 'env-vars': 'URL=https://x/?a=b,E=' } });
    expect(hostVariables).toEqual([
      { name: 'URL', value: 'https://x/?a=b' },
      { name: 'E', value: '' },
    ]);
  });

  it.each([
    ['env-vars', 'NAME', 'Error parsing --env-vars: NAME is not a valid environment variable'],
    ['env-vars', '=secret', 'Error parsing --env-vars: =… is not a valid environment variable'],
    ['files', 'a', 'Error parsing --files: a is not a valid file injection'],
    ['files', 'a:b:ro', 'Error parsing --files: a:b:ro is not a valid file injection'],
    ['files', 'C:\\x:/y', 'Error parsing --files: C:\\x:/y is not a valid file injection'],
    ['kubernetes-labels', 'a', 'Error parsing --kubernetes-labels: a is not a valid label'],
    ['kubernetes-labels', 'a=b=c', 'Error parsing --kubernetes-labels: a=b=c is not a valid label'],
    [
      'kubernetes-allowed-images',
      '(',
      'Error parsing --kubernetes-allowed-images: ( is not a valid regular expression',
    ],
  ])('of %s are refused: %s', async (name, item, message) => {
    expect(await failure(loadEnough({ flags: { [name]: item } }))).toMatchObject({ message, fatal: true });
  });

  it('of labels: the last one wins', async () => {
    const { kubernetes } = await loadEnough({ flags: { 'kubernetes-labels': ['a=1,b=2', 'a=3'] } });
    expect(kubernetes.labels).toEqual({ a: '3', b: '2' });
  });
});

describe('the order of the checks', () => {
  /** Each is wrong, and none is told before those above it. */
  const steps: [Record<string, string>, RegExp][] = [
    [{ 'job-id': 'x' }, /^job-id can only be used together with disconnect-after-job/],
    [{ 'upload-job-logs': 'sometimes' }, /^upload-job-logs is "sometimes"; expected never, always, when-trimmed/],
    [{ endpoint: '' }, /^Semaphore endpoint was not specified/],
    [{ token: '' }, /^Agent registration token was not specified/],
    [{ 'disconnect-after-idle-timeout': '-1' }, /^disconnect-after-idle-timeout can't be negative/],
    [{ 'kubernetes-pod-start-timeout': '-1' }, /^kubernetes-pod-start-timeout can't be negative/],
    [{ 'env-vars': 'A' }, /^Error parsing --env-vars/],
    [{ files: 'A' }, /^Error parsing --files/],
    [{ 'kubernetes-labels': 'A' }, /^Error parsing --kubernetes-labels/],
    [{ name: 'short' }, /^The agent name is 5 bytes long; it should have 8 to 80/],
    [{ 'kubernetes-allowed-images': '(' }, /^Error parsing --kubernetes-allowed-images/],
  ];

  it.each(steps.map((step, index) => [Object.keys(step[0])[0] ?? '', index] as const))('%s', async (_, index) => {
    const flags = Object.assign({ ...enough }, ...steps.slice(index).map(([wrong]) => wrong)) as Record<string, string>;
    expect(await failure(load({ flags }))).toMatchObject({
      message: expect.stringMatching(steps[index]?.[1] ?? /no/),
      fatal: true,
    });
  });

  it('a key that is unknown comes before them, a file that cannot be read before that', async () => {
    const flags = { 'job-id': 'x' };
    expect((await failure(load({ flags, file: 'bogus: 1' }))).message).toMatch(/^Unrecognized option/);
    expect((await failure(load({ flags, file: 'bogus: [' }))).message).toMatch(/^Error reading config file/);
  });
});

describe('the name', () => {
  it.each([
    ['12345678', true],
    ['x'.repeat(80), true],
    ['ä'.repeat(4), true],
    ['i-0123456789abcdef0__a1B2c3D4e5F6g', true],
    ['/short', true],
    ['https://sts.amazonaws.com/?Action=GetCallerIdentity&X-Amz-Signature=' + 'f'.repeat(80), true],
    ['1234567', false],
    ['x'.repeat(81), false],
    ['ä'.repeat(41), false],
  ])('%s', async (name, accepted) => {
    if (accepted) expect((await loadEnough({ flags: { name } })).name).toBe(name);
    else expect((await failure(loadEnough({ flags: { name } }))).message).toMatch(/^The agent name is \d+ bytes long/);
  });

  it('comes from the variable that name-from-env names, unless there is a name', async () => {
    const flags = { 'name-from-env': 'POD' };
    expect((await loadEnough({ flags, env: { POD: 'pod-1234' } })).name).toBe('pod-1234');
    expect((await loadEnough({ flags: { ...flags, name: 'builder-1' }, env: { POD: 'x' } })).name).toBe('builder-1');
    expect((await failure(loadEnough({ flags }))).message).toMatch(/from the variable POD\) is 0 bytes long/);
  });

  it('is another one each time when there is none', async () => {
    expect((await loadEnough()).name).not.toBe((await loadEnough()).name);
  });
});
