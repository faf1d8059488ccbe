import { describe, expect, it } from 'vitest';
import { loadRunnerConfig } from '../../src/config/index.ts';
import { failureOf, loadText } from './support.ts';

const load = (env: Record<string, string>) => loadRunnerConfig({ noConfig: true, env, cwd: '/work-dir' });

describe('environment variables', () => {
  it('configure a runner in a container completely', async () => {
    const { config, file, warnings, sensitiveEnv } = await load({
      SEMAPHORE_WEB_ROOT: 'https://semaphore.example.com',
      SEMAPHORE_RUNNER_REGISTRATION_TOKEN: ' smrs_abc\n',
      SEMAPHORE_RUNNER_TOKEN_FILE: '/var/lib/semaphore/none.txt',
      SEMAPHORE_RUNNER_NAME: 'eu-1',
      SEMAPHORE_RUNNER_TAGS: '["eu","ansible"]',
      SEMAPHORE_RUNNER_ENABLED: 'true',
      SEMAPHORE_RUNNER_MAX_PARALLEL_TASKS: '3',
      SEMAPHORE_ENV_VARS: '{"A":"1"}',
      SEMAPHORE_APPS: '{"bash":{"path":"/bin/bash"}}',
      SEMAPHORE_RUNNER_SKIP_TLS_VERIFY: 'no',
      PATH: '/bin',
    });
    expect(config).toMatchObject({
      webHost: 'https://semaphore.example.com',
      envVars: { A: '1' },
      apps: { bash: { path: '/bin/bash' } },
      runner: {
        registrationToken: 'smrs_abc',
        token: undefined,
        name: 'eu-1',
        tags: ['eu', 'ansible'],
        maxParallelTasks: 3,
        enabled: true,
      },
    });
    expect({ file, warnings, sensitiveEnv }).toEqual({
      file: undefined,
      warnings: [],
      sensitiveEnv: ['SEMAPHORE_RUNNER_REGISTRATION_TOKEN'],
    });
  });

  it('win over the file, lists and maps as a whole', async () => {
    const file = {
      web_host: 'http://file',
      env_vars: { A: 'file', B: 'file' },
      runner: { name: 'file', tags: ['file'], webhook: 'http://file' },
    };
    const { config, sourceOf } = await loadText(JSON.stringify(file), {
      env: {
        SEMAPHORE_ENV_VARS: '{"B":"env"}',
        SEMAPHORE_RUNNER_TAGS: '[]',
        SEMAPHORE_RUNNER_NAME: 'env',
        SEMAPHORE_RUNNER_WEBHOOK: '',
      },
    });
    expect(config).toMatchObject({ webHost: 'http://file', runner: { name: 'env', tags: [], webhook: undefined } });
    expect(config.envVars).toEqual({ B: 'env' });
    expect(sourceOf('runner.name')).toBe('SEMAPHORE_RUNNER_NAME');
    expect(sourceOf('web_host')).toMatch(/config\.json$/);
    expect(sourceOf('git_attempts')).toBeUndefined();
  });

  it('lose against flags', async () => {
    const { config, sourceOf } = await loadText('{"runner": {"name": "file", "enabled": true}}', {
      env: { SEMAPHORE_RUNNER_NAME: 'env' },
      flags: { 'runner.name': 'flag', 'runner.enabled': false, 'runner.tags': undefined },
    });
    expect(config.runner).toMatchObject({ name: 'flag', enabled: false, tags: [] });
    expect(sourceOf('runner.name')).toBe('command line');
  });

  it.each([
    ['1', true],
    ['true', true],
    ['YES', true],
    ['0', false],
    ['no', false],
    ['', false],
  ])('read the switch %j as %s', async (text, value) => {
    const { config, warnings } = await load({ SEMAPHORE_RUNNER_ONE_OFF: text });
    expect(config.runner.oneOff).toBe(value);
    expect(warnings).toEqual([]);
  });

  it('doubt a switch that only looks like true', async () => {
    const { config, warnings } = await load({ SEMAPHORE_RUNNER_ONE_OFF: 'on' });
    expect(config.runner.oneOff).toBe(false);
    expect(warnings).toEqual([
      'environment variable SEMAPHORE_RUNNER_ONE_OFF is "on", which counts as false; write true or false',
    ]);
  });

  it('count as not set when empty, unless they hold text', async () => {
    const { config } = await load({
      SEMAPHORE_RUNNER_PROJECT_ID: '',
      SEMAPHORE_RUNNER_TAGS: ' ',
      SEMAPHORE_APPS: '',
      SEMAPHORE_RUNNER_MAX_PARALLEL_TASKS: '',
      SEMAPHORE_RUNNER_EXECUTOR: '',
      SEMAPHORE_RUNNER_EXECUTOR_TYPE: '',
      SEMAPHORE_HOME_DIR_MODE: '',
    });
    expect(config).toMatchObject({
      homeDirMode: 'template_dir',
      runner: { tags: [], maxParallelTasks: 9999, executor: { type: 'local' } },
    });
  });

  it('set an object as JSON, and its parts one by one above it', async () => {
    const { config, values, warnings } = await loadText(
      '{"runner": {"executor": {"docker": {"image": "file", "network": "file"}}}}',
      {
        env: {
          SEMAPHORE_RUNNER_EXECUTOR:
            '{"Type":"docker","docker":{"image":"object","helper_image":"object","immage":"x"}}',
          SEMAPHORE_RUNNER_DOCKER_IMAGE: 'single',
        },
      },
    );
    expect(config.runner.executor).toMatchObject({
      type: 'docker',
      docker: { image: 'single', helperImage: 'object', network: 'file' },
    });
    expect(values.runner.executor.docker).toMatchObject({ image: 'single', helper_image: 'object', network: 'file' });
    expect(warnings).toEqual([
      'environment variable SEMAPHORE_RUNNER_EXECUTOR: unknown key runner.executor.docker.immage',
    ]);
  });

  it('are looked through for misspelt names', async () => {
    const { warnings } = await load({
      SEMAPHORE_RUNNER_TAG: 'x',
      SEMAPHORE_RUNNER_API_URL: 'old',
      SEMAPHORE_RUNNERS_OFFLINE_TIMEOUT_SEC: '1',
      SEMAPHORE_RUNNER_QQQQQQQQQQ: 'x',
    });
    expect(warnings).toEqual([
      'unknown environment variable SEMAPHORE_RUNNER_TAG; did you mean SEMAPHORE_RUNNER_TAGS?',
      'unknown environment variable SEMAPHORE_RUNNER_QQQQQQQQQQ',
    ]);
  });

  it('that hold secrets are named, so that no task inherits them', async () => {
    const { sensitiveEnv } = await load({
      SEMAPHORE_RUNNER_TOKEN: 'a',
      SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'b',
      SEMAPHORE_DB_PASS: 'c',
      SEMAPHORE_RUNNER_NAME: 'd',
    });
    expect(sensitiveEnv.toSorted()).toEqual([
      'SEMAPHORE_DB_PASS',
      'SEMAPHORE_RUNNER_REGISTRATION_TOKEN',
      'SEMAPHORE_RUNNER_TOKEN',
    ]);
  });

  it.each([
    [
      { SEMAPHORE_GIT_ATTEMPTS: 'x' },
      'environment variable SEMAPHORE_GIT_ATTEMPTS: git_attempts is "x"; expected a whole number',
    ],
    [
      { SEMAPHORE_RUNNER_LOG_MAX_LINE_BYTES: '5' },
      'environment variable SEMAPHORE_RUNNER_LOG_MAX_LINE_BYTES: runner.log.max_line_bytes is 5; expected a whole number from 1024 to 1048576',
    ],
    [
      { SEMAPHORE_RUNNER_TAGS: 'gpu, eu' },
      'environment variable SEMAPHORE_RUNNER_TAGS: runner.tags is not a JSON list | Write it like this: SEMAPHORE_RUNNER_TAGS=\'["gpu","eu"]\'.',
    ],
    [
      { SEMAPHORE_RUNNER_TAGS: '[1]' },
      'environment variable SEMAPHORE_RUNNER_TAGS: runner.tags.0 is 1; expected text in quotes',
    ],
    [
      { SEMAPHORE_ENV_VARS: 'A=1' },
      'environment variable SEMAPHORE_ENV_VARS: env_vars is not a JSON object | Write it like this: SEMAPHORE_ENV_VARS=\'{"A":"1"}\'.',
    ],
    [
      { SEMAPHORE_APPS: '[]' },
      'environment variable SEMAPHORE_APPS: apps is not a JSON object | Write it like this: SEMAPHORE_APPS=\'{"bash":{"path":"/bin/bash"}}\'.',
    ],
    [
      { SEMAPHORE_RUNNER_EXECUTOR: 'local' },
      'environment variable SEMAPHORE_RUNNER_EXECUTOR: runner.executor is not a JSON object | Write it like this: SEMAPHORE_RUNNER_EXECUTOR=\'{"type":"local"}\'.',
    ],
    [
      { SEMAPHORE_HOME_DIR_MODE: 'x' },
      'environment variable SEMAPHORE_HOME_DIR_MODE: home_dir_mode is "x"; expected one of template_dir, user_home, project_home',
    ],
    [
      { SEMAPHORE_WEB_ROOT: 'x' },
      'environment variable SEMAPHORE_WEB_ROOT: web_host is "x"; expected a URL that begins with http:// or https:// | For example https://x.',
    ],
    [
      { SEMAPHORE_RUNNER_TOKEN: 'a', SEMAPHORE_RUNNER_TOKEN_FILE: 'b' },
      'runner.token (environment variable SEMAPHORE_RUNNER_TOKEN) and runner.token_file (environment variable SEMAPHORE_RUNNER_TOKEN_FILE) exclude each other | Keep one of them.',
    ],
  ])('%j', async (env, message) => {
    expect(await failureOf(load(env as Record<string, string>))).toBe(`ConfigError: ${message}`);
  });
});
