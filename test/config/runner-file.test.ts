import { describe, expect, it } from 'vitest';
import { failureOf, loadText } from './support.ts';

const complete = {
  web_host: 'https://semaphore.example.com/',
  tmp_path: '/var/tmp/semaphore-runner',
  git_attempts: 2,
  home_dir_mode: 'project_home',
  forwarded_env_vars: ['HTTPS_PROXY', 'NO_PROXY'],
  env_vars: { LANG: 'C.UTF-8' },
  ssh: { config_path: '/etc/ssh/own', known_hosts_file: '/etc/known', strict_host_key_checking: 'accept-new' },
  apps: {
    bash: { active: true },
    powershell: { active: true, path: 'pwsh', args: ['-NoProfile', '-File'], priority: 3, title: 'PowerShell' },
  },
  process: { uid: 1500, gid: 1501, no_new_privs: true, chroot: '/jail', user: 'semaphore' },
  runner: {
    token: 'bXktcnVubmVyLXRva2Vu',
    name: 'dev-1',
    tags: ['dev'],
    webhook: 'https://hooks.example.com',
    one_off: true,
    enabled: false,
    max_parallel_tasks: 4,
    project_id: 7,
    check_interval_seconds: 2,
    registration_token_file: '/run/secrets/token',
    private_key_file: '/etc/key.pem',
    connection: {
      server_ca_cert_file: '/etc/ssl/ca.pem',
      skip_tls_verify: false,
      client_cert_file: '/etc/ssl/me.pem',
      client_key_file: '/etc/ssl/me.key',
      client_key_passphrase_file: '/run/secrets/phrase',
      request_timeout_seconds: 5,
    },
    executor: {
      type: 'docker',
      docker: {
        host: 'tcp://docker.example.com:2376',
        tls_verify: true,
        cert_path: '/etc/docker',
        image: 'job:1',
        helper_image: 'helper:1',
        network: 'tasks',
        pull_policy: 'always',
        cpu_limit: 1.5,
        memory_limit: '2g',
        poll_interval_seconds: 5,
        cleanup_grace_seconds: 6,
        privileged: false,
      },
      k8s: {
        kubeconfig: '/etc/kube.config',
        namespace: 'tasks',
        image: 'job:2',
        helper_image: 'helper:2',
        service_account: 'runner',
        pull_secrets: 'one, two',
        poll_interval_seconds: 7,
        cleanup_grace_seconds: 8,
      },
    },
    state_dir: '/var/lib/state',
    stop_grace_seconds: 3,
    task_timeout_seconds: 3600,
    no_output_timeout_seconds: 60,
    cgroup: 'auto',
    limits: { cpu: 1.5, memory: '512MiB', processes: 100 },
    log: { max_line_bytes: 2048, max_request_bytes: 65536, flush_interval_ms: 100 },
    masking: { enabled: false, min_length: 6 },
    cleanup: { schedule: '30 4 * * 0', max_age_days: 30, max_size: '1.5 GiB' },
  },
};

const completeConfig = {
  webHost: 'https://semaphore.example.com',
  tmpPath: '/var/tmp/semaphore-runner',
  homeDirMode: 'project_home',
  gitAttempts: 2,
  ssh: { configPath: '/etc/ssh/own', knownHostsFile: '/etc/known', strictHostKeyChecking: 'accept-new' },
  apps: {
    bash: { path: undefined, args: undefined },
    powershell: { path: 'pwsh', args: ['-NoProfile', '-File'] },
  },
  envVars: { LANG: 'C.UTF-8' },
  forwardedEnvVars: ['HTTPS_PROXY', 'NO_PROXY'],
  process: { user: 'semaphore', uid: 1500, gid: 1501, chroot: '/jail', noNewPrivs: true },
  runner: {
    registrationToken: undefined,
    registrationTokenFile: '/run/secrets/token',
    token: 'bXktcnVubmVyLXRva2Vu',
    tokenFile: undefined,
    tokenStore: 'file',
    tokenCredential: undefined,
    privateKeyFile: '/etc/key.pem',
    oneOff: true,
    enabled: false,
    webhook: 'https://hooks.example.com',
    name: 'dev-1',
    tags: ['dev'],
    maxParallelTasks: 4,
    projectId: 7,
    checkIntervalSeconds: 2,
    connection: {
      serverCaCertFile: '/etc/ssl/ca.pem',
      skipTlsVerify: false,
      clientCertificate: {
        certFile: '/etc/ssl/me.pem',
        keyFile: '/etc/ssl/me.key',
        passphrase: undefined,
        passphraseFile: '/run/secrets/phrase',
      },
      requestTimeoutMs: 5000,
    },
    executor: {
      type: 'docker',
      docker: {
        host: 'tcp://docker.example.com:2376',
        tlsVerify: true,
        certPath: '/etc/docker',
        image: 'job:1',
        helperImage: 'helper:1',
        network: 'tasks',
        pullPolicy: 'always',
        cpuLimit: 1.5,
        memoryLimit: '2g',
        memoryLimitBytes: 2 * 1024 ** 3,
        pollIntervalMs: 5000,
        cleanupGraceMs: 6000,
        privileged: false,
      },
      k8s: {
        kubeconfig: '/etc/kube.config',
        namespace: 'tasks',
        image: 'job:2',
        helperImage: 'helper:2',
        serviceAccount: 'runner',
        pullSecrets: ['one', 'two'],
        pollIntervalMs: 7000,
        cleanupGraceMs: 8000,
      },
    },
    stateDir: '/var/lib/state',
    stopGraceMs: 3000,
    taskTimeoutMs: 3_600_000,
    noOutputTimeoutMs: 60_000,
    cgroup: 'auto',
    limits: { cpu: 1.5, memoryBytes: 536_870_912, processes: 100 },
    log: { maxLineBytes: 2048, maxRequestBytes: 65536, flushIntervalMs: 100 },
    masking: { enabled: false, minLength: 6 },
    cleanup: { schedule: '30 4 * * 0', maxAgeMs: 30 * 86_400_000, maxBytes: 1.5 * 1024 ** 3 },
  },
};

describe('a configuration file', () => {
  it('sets every key', async () => {
    const { config, warnings } = await loadText(JSON.stringify(complete));
    expect(config).toEqual(completeConfig);
    expect(warnings.filter((warning) => !warning.endsWith('has no effect on tasks in containers'))).toEqual([]);
  });

  it('may be YAML with the same keys', async () => {
    const { stringify } = await import('yaml');
    const { config, warnings } = await loadText(stringify(complete), { name: 'config.yaml' });
    expect(config).toEqual(completeConfig);
    expect(warnings.filter((warning) => !warning.endsWith('has no effect on tasks in containers'))).toEqual([]);
  });

  it('may leave out everything', async () => {
    const { config } = await loadText('{}');
    expect(config).toMatchObject({
      webHost: undefined,
      tmpPath: '/tmp/semaphore',
      homeDirMode: 'template_dir',
      gitAttempts: 4,
      ssh: { configPath: undefined, knownHostsFile: undefined, strictHostKeyChecking: 'no' },
      apps: {},
      process: { user: undefined, uid: undefined, gid: undefined, chroot: undefined, noNewPrivs: false },
      runner: {
        token: undefined,
        oneOff: false,
        enabled: true,
        tags: [],
        maxParallelTasks: 9999,
        projectId: undefined,
        checkIntervalSeconds: 1,
        connection: {
          serverCaCertFile: undefined,
          skipTlsVerify: false,
          clientCertificate: undefined,
          requestTimeoutMs: 30_000,
        },
        executor: { type: 'local' },
        stateDir: undefined,
        stopGraceMs: 15_000,
        log: { maxLineBytes: 65_536, maxRequestBytes: 4_194_304, flushIntervalMs: 250 },
        masking: { enabled: true, minLength: 4 },
        cleanup: { schedule: '0 3 * * *', maxAgeMs: undefined, maxBytes: undefined },
      },
    });
  });

  it('may have comments, trailing commas, a byte order mark and other spellings of keys', async () => {
    const text = `\uFEFF{
      // where
      "Web_Host": "http://localhost:3000", /* and */
      "RUNNER": { "Max_Parallel_Tasks": 3, "TAGS": ["a",], },
    }`;
    const { config, warnings } = await loadText(text);
    expect(config).toMatchObject({ webHost: 'http://localhost:3000', runner: { maxParallelTasks: 3, tags: ['a'] } });
    expect(warnings).toEqual([]);
  });

  it('prefers the exact spelling when a key is there twice', async () => {
    const { config } = await loadText('{"runner": {"NAME": "other", "name": "exact", "Name": "third"}}');
    expect(config.runner.name).toBe('exact');
  });

  it('takes null for "not set", in sections too, as the original writes it', async () => {
    const { config, warnings } = await loadText(
      '{"ssh": null, "process": null, "apps": {"bash": null, "x": {"args": null}}, "env_vars": null, "runner": {"project_id": null, "connection": null, "tags": null}}',
    );
    expect(config).toMatchObject({
      ssh: { strictHostKeyChecking: 'no' },
      apps: { x: { args: undefined } },
      runner: { tags: [], projectId: undefined },
    });
    expect(warnings).toEqual([]);
  });

  it('takes the zeros that the original writes for "not set"', async () => {
    const { config, warnings } = await loadText(
      '{"git_attempts": 0, "home_dir_mode": "", "process": {"uid": 0, "gid": 0}, "runner": {"max_parallel_tasks": 0, "check_interval_seconds": -1, "project_id": 0, "executor": {"type": ""}, "name": "", "webhook": ""}}',
    );
    expect(config).toMatchObject({
      gitAttempts: 4,
      homeDirMode: 'template_dir',
      process: { uid: undefined, gid: undefined },
      runner: {
        maxParallelTasks: 9999,
        checkIntervalSeconds: 1,
        projectId: undefined,
        executor: { type: 'local' },
        name: undefined,
        webhook: undefined,
      },
    });
    expect(warnings).toEqual([]);
  });

  it('keeps false and 0 where they mean something', async () => {
    const { config } = await loadText(
      '{"runner": {"enabled": false, "masking": {"enabled": false}, "stop_grace_seconds": 0}}',
    );
    expect(config.runner).toMatchObject({ enabled: false, masking: { enabled: false }, stopGraceMs: 0 });
  });

  it('resolves paths against the current directory', async () => {
    const { config, file } = await loadText('{"tmp_path": "work", "runner": {"token_file": "t", "state_dir": "../s"}}');
    const cwd = file?.replace(/\/config\.json$/, '') ?? '';
    expect(config.tmpPath).toBe(`${cwd}/work`);
    expect(config.runner.tokenFile).toBe(`${cwd}/t`);
    expect(config.runner.stateDir).toMatch(/^\/.*\/s$/);
  });

  it('prefers ssh.config_path to its older name', async () => {
    const older = await loadText('{"ssh_config_path": "/old"}');
    const both = await loadText('{"ssh_config_path": "/old", "ssh": {"config_path": "/new"}}');
    expect([older.config.ssh.configPath, both.config.ssh.configPath]).toEqual(['/old', '/new']);
  });

  it('lets an app have any name', async () => {
    const { config } = await loadText('{"apps": {"constructor": {"path": "/bin/x"}, "my.App": {"path": "/bin/y"}}}');
    expect(Object.keys(config.apps)).toEqual(['constructor', 'my.App']);
    expect(config.apps['my.App']).toEqual({ path: '/bin/y', args: undefined });
  });

  it('applies uid and gid only together, and says so', async () => {
    const { config, warnings } = await loadText('{"process": {"uid": 5}}');
    expect(config.process.uid).toBeUndefined();
    expect(warnings).toEqual(['FILE:1:14: process.uid has no effect without process.gid']);
  });
});

describe('doubts about a file', () => {
  it.each([
    [
      '{"runner": {\n  "max_paralel_tasks": 1}}',
      'FILE:2:3: unknown key runner.max_paralel_tasks; did you mean runner.max_parallel_tasks?',
    ],
    ['{"token_file": "x"}', 'FILE:1:2: unknown key token_file; did you mean runner.token_file?'],
    ['{"web-host": "http://x"}', 'FILE:1:2: unknown key web-host; did you mean web_host?'],
    ['{"runner": {"conection": {}}}', 'FILE:1:13: unknown key runner.conection; did you mean runner.connection?'],
    [
      '{"runner": {"log": {"flush_intervall_ms": 1}}}',
      'FILE:1:21: unknown key runner.log.flush_intervall_ms; did you mean runner.log.flush_interval_ms?',
    ],
    ['{"apps": {"bash": {"pth": "x"}}}', 'FILE:1:20: unknown key apps.bash.pth; did you mean apps.bash.path?'],
    ['{"runner": {"quux": 1}}', 'FILE:1:13: unknown key runner.quux'],
    ['{"git_client": "go_git"}', 'FILE:1:2: git_client has no effect: this runner always uses the `git` command'],
    [
      '{"process": {"app_namespaces": {"pid": true}}}',
      'FILE:1:33: process.app_namespaces.pid has no effect: namespaces are not supported',
    ],
    [
      '{"runner": {"check_interval_seconds": 300}}',
      'FILE:1:13: with runner.check_interval_seconds of 120 or more the server takes this runner for offline',
    ],
    [
      '{"runner": {"connection": {"client_key_file": "k"}}}',
      'FILE:1:28: runner.connection.client_key_file has no effect without runner.connection.client_cert_file',
    ],
    [
      '{"runner": {"connection": {"skip_tls_verify": true}}}',
      'FILE:1:28: the certificate of the server is not checked; whoever is on the way can read every secret',
    ],
  ])('%s', async (text, warning) => {
    expect((await loadText(text)).warnings).toEqual([warning]);
  });

  it('tells line and column in YAML too', async () => {
    const { warnings } = await loadText('# a\nrunner:\n  tags: [a]\n  enable: true\n', { name: 'config.yml' });
    expect(warnings).toEqual(['FILE:4:3: unknown key runner.enable; did you mean runner.enabled?']);
  });

  it('does not mind keys of the original’s server, nor those of older runners', async () => {
    const { warnings } = await loadText(
      JSON.stringify({
        $schema: 'x',
        mysql: { host: 'x' },
        dialect: 'sqlite',
        cookie_hash: 'x',
        ldap_mappings: {},
        use_remote_runner: true,
        runners: { registration_token: 'x' },
        log: { events: {} },
        max_task_duration_sec: 5,
        git_client: 'cmd_git',
        runner: { api_url: 'x', config_file: 'y', registration_token: 'z' },
      }),
    );
    expect(warnings).toEqual([]);
  });

  it.runIf(process.platform !== 'win32')('warns of a token that every user can read', async () => {
    const { warnings } = await loadText('{"runner": {"token": "x"}}', { mode: 0o644 });
    expect(warnings).toEqual([
      'FILE: every user of this machine can read this file, and it holds the runner token; run: chmod 600 FILE',
    ]);
    expect((await loadText('{"runner": {"name": "x"}}', { mode: 0o644 })).warnings).toEqual([]);
  });
});

describe('mistakes in a file', () => {
  it.each([
    ['', 'FILE: the configuration file is empty'],
    ['[1]', 'FILE: the configuration must be an object'],
    ['{"a": 1', 'FILE:1:8: not valid JSON: a closing } is missing'],
    ['{"a": }', 'FILE:1:7: not valid JSON: a value is expected'],
    ["{'a': 1}", 'FILE:1:2: not valid JSON: this is neither text in quotes nor a number, true, false or null'],
    ['{\n  "a": 1\n  "b": 2\n}', 'FILE:3:3: not valid JSON: a comma is expected'],
    [
      '{"runner": {"max_parallel_tasks": "four"}}',
      'FILE:1:13: runner.max_parallel_tasks is "four"; expected a whole number',
    ],
    ['{"runner": {"max_parallel_tasks": 1.5}}', 'FILE:1:13: runner.max_parallel_tasks is 1.5; expected a whole number'],
    [
      '{"runner": {"tags": "gpu"}}',
      'FILE:1:13: runner.tags is "gpu"; expected a list of texts, for example ["a", "b"]',
    ],
    ['{"runner": {"tags": ["a", 1]}}', 'FILE:1:27: runner.tags.1 is 1; expected text in quotes'],
    ['{"runner": {"one_off": "yes"}}', 'FILE:1:13: runner.one_off is "yes"; expected true or false'],
    ['{"runner": {"token": 12345}}', 'FILE:1:13: runner.token is a number; expected text in quotes'],
    ['{"runner": []}', 'FILE:1:2: runner is a list; expected an object'],
    ['{"env_vars": {"A": 1}}', 'FILE:1:15: env_vars.A is 1; expected text in quotes'],
    [
      '{"apps": {"bash": {"args": "-x"}}}',
      'FILE:1:20: apps.bash.args is "-x"; expected a list of texts, for example ["a", "b"]',
    ],
    [
      '{"home_dir_mode": "mine"}',
      'FILE:1:2: home_dir_mode is "mine"; expected one of template_dir, user_home, project_home',
    ],
    [
      '{"Runner": {"Masking": {"Min_Length": 0}}}',
      'FILE:1:25: runner.masking.min_length is 0; expected a whole number from 1 to 64',
    ],
    [
      '{"runner": {"cleanup": {"max_size": "20 goats"}}}',
      'FILE:1:25: runner.cleanup.max_size is "20 goats"; expected text such as "20GB"',
    ],
    [
      '{"runner": {"log": {"flush_interval_ms": 1}}}',
      'FILE:1:21: runner.log.flush_interval_ms is 1; expected a whole number from 50 to 60000',
    ],
    [
      '{"runner": {"log": {"max_line_bytes": 1048576, "max_request_bytes": 65536}}}',
      'FILE:1:48: runner.log.max_request_bytes is 65536; expected at least runner.log.max_line_bytes (1048576)',
    ],
    ['{"web_host": "ftp://x"}', 'FILE:1:2: web_host is "ftp://x"; expected a URL that begins with http:// or https://'],
    [
      '{"web_host": "x.example.com"}',
      'FILE:1:2: web_host is "x.example.com"; expected a URL that begins with http:// or https:// | For example https://x.example.com.',
    ],
    ['{"web_host": "http://x/?a"}', 'FILE:1:2: web_host is "http://x/?a"; expected a base URL without ? and #'],
    [
      '{"runner": {"token": "a", "token_file": "b"}}',
      'runner.token (FILE:1:13) and runner.token_file (FILE:1:27) exclude each other | Keep one of them.',
    ],
    [
      '{"runner": {"token_store": "keychain", "token": "a"}}',
      'runner.token (FILE:1:40) and runner.token_store (FILE:1:13) exclude each other | Keep one of them.',
    ],
    [
      '{"runner": {"token_store": "keychain", "token_file": "a"}}',
      'runner.token_file (FILE:1:40) and runner.token_store (FILE:1:13) exclude each other | Keep one of them.',
    ],
    [
      '{"runner": {"connection": {"client_key_passphrase": "a", "client_key_passphrase_file": "b"}}}',
      'runner.connection.client_key_passphrase (FILE:1:28) and runner.connection.client_key_passphrase_file (FILE:1:58) exclude each other | Keep one of them.',
    ],
    [
      '{"web_host": "ftp://user:s3cret@x"}',
      'FILE:1:2: web_host is "ftp://***@x"; expected a URL that begins with http:// or https://',
    ],
    [
      '{"web_host": "user:s3cret@x.example.com"}',
      'FILE:1:2: web_host is "***@x.example.com"; expected a URL that begins with http:// or https:// | For example https://***@x.example.com.',
    ],
    [
      '{"runner": {"cgroup": "off", "limits": {"memory": "1GB"}}}',
      'FILE:1:41: runner.limits.memory needs cgroups, which runner.cgroup (FILE:1:13) turns off | Remove one of them.',
    ],
  ])('%s', async (text, message) => {
    expect(await failureOf(loadText(text))).toBe(`ConfigError: ${message}`);
  });

  it('are told with line and column in YAML', async () => {
    expect(await failureOf(loadText('runner:\n  tags:\n    - a\n    - 1\n', { name: 'config.yaml' }))).toBe(
      'ConfigError: FILE:4:7: runner.tags.1 is 1; expected text in quotes',
    );
    expect(await failureOf(loadText('a: [1\nb: 2', { name: 'config.yaml' }))).toMatch(
      /^ConfigError: FILE:2:\d+: not valid YAML: /,
    );
    expect(await failureOf(loadText('a: 1\na: 2', { name: 'config.yaml' }))).toMatch(
      /^ConfigError: FILE:2:1: not valid YAML: Map keys must be unique/,
    );
  });

  it('do not show a long or secret value', async () => {
    expect((await failureOf(loadText(`{"home_dir_mode": "${'x'.repeat(500)}"}`))).length).toBeLessThan(200);
    expect(await failureOf(loadText('{"runner": {"token": {"secret": "abc"}}}'))).not.toContain('abc');
  });

  it('in an alias bomb end the load', async () => {
    const lines = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]'];
    for (let index = 1; index < 9; index += 1) {
      lines.push(`a${index}: &a${index} [${Array.from({ length: 10 }, () => `*a${index - 1}`).join(',')}]`);
    }
    expect(await failureOf(loadText(lines.join('\n'), { name: 'config.yaml' }))).toMatch(
      /^ConfigError: FILE: not usable YAML: /,
    );
  });
});
