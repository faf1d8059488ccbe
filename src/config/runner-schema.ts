import * as z from 'zod';
import { executorSchema } from './executor-schema.ts';
import { endingKeys } from './limits-schema.ts';
import { sizePattern } from './size.ts';
import { choice, flag, optionalId, optionalText, textList, textMap, whole, wholeOrZero } from './meta.ts';

const connectionSchema = z.object({
  server_ca_cert_file: optionalText({
    description: 'PEM bundle of certificate authorities, trusted in addition to those of the system.',
    env: 'SEMAPHORE_RUNNER_SERVER_CA_CERT_FILE',
    example: '/etc/ssl/semaphore-ca.pem',
  }),
  client_cert_file: optionalText({
    description:
      'PEM file with the certificate shown to a server that asks for one (mTLS), followed by those between it and its authority. Read again when it changes.',
    env: 'SEMAPHORE_RUNNER_CLIENT_CERT_FILE',
    own: true,
    example: '/etc/semaphore/runner.pem',
  }),
  client_key_file: optionalText({
    description: 'PEM file with the key of `client_cert_file`. Read again when it changes.',
    env: 'SEMAPHORE_RUNNER_CLIENT_KEY_FILE',
    own: true,
    defaultText: 'the key is in `client_cert_file`, too',
    example: '/etc/semaphore/runner.key',
  }),
  client_key_passphrase: optionalText({
    description: 'Passphrase of an encrypted `client_key_file`. Excludes `client_key_passphrase_file`.',
    env: 'SEMAPHORE_RUNNER_CLIENT_KEY_PASSPHRASE',
    own: true,
    sensitive: true,
  }),
  client_key_passphrase_file: optionalText({
    description: 'File with the passphrase of an encrypted `client_key_file`. Excludes `client_key_passphrase`.',
    env: 'SEMAPHORE_RUNNER_CLIENT_KEY_PASSPHRASE_FILE',
    own: true,
  }),
  skip_tls_verify: flag(false, {
    description: 'Accept any certificate of the server. For tests only: whoever is on the way can read every secret.',
    env: 'SEMAPHORE_RUNNER_SKIP_TLS_VERIFY',
  }),
  request_timeout_seconds: whole(
    { min: 1, max: 600, byDefault: 30 },
    {
      description: 'Longest time one request to the server may take, in seconds.',
      env: 'SEMAPHORE_RUNNER_REQUEST_TIMEOUT_SECONDS',
      own: true,
    },
  ),
});

const logLimitsSchema = z.object({
  max_line_bytes: whole(
    { min: 1024, max: 1_048_576, byDefault: 65_536 },
    {
      description: 'A longer line of a task is sent as several records.',
      env: 'SEMAPHORE_RUNNER_LOG_MAX_LINE_BYTES',
      own: true,
    },
  ),
  max_request_bytes: whole(
    { min: 65_536, max: 67_108_864, byDefault: 4_194_304 },
    {
      description: 'Upper bound of one progress request; at least as large as `max_line_bytes`.',
      env: 'SEMAPHORE_RUNNER_LOG_MAX_REQUEST_BYTES',
      own: true,
    },
  ),
  flush_interval_ms: whole(
    { min: 50, max: 60_000, byDefault: 250 },
    {
      description: 'Least time between two progress requests, in milliseconds.',
      env: 'SEMAPHORE_RUNNER_LOG_FLUSH_INTERVAL_MS',
      own: true,
    },
  ),
});

const maskingSchema = z.object({
  enabled: flag(true, {
    description: 'Replace the secrets of a task by `***` in its log.',
    env: 'SEMAPHORE_RUNNER_MASKING_ENABLED',
    own: true,
  }),
  min_length: whole(
    { min: 1, max: 64, byDefault: 4 },
    {
      description: 'Shorter secrets are not masked: `1` or `yes` would make a log unreadable.',
      env: 'SEMAPHORE_RUNNER_MASKING_MIN_LENGTH',
      own: true,
    },
  ),
});

const cleanupSchema = z.object({
  schedule: z.string().default('0 3 * * *').meta({
    description: 'Cron expression (minute, hour, day, month, weekday): when to clean up, if one of the limits is set.',
    env: 'SEMAPHORE_RUNNER_CLEANUP_SCHEDULE',
    own: true,
  }),
  max_age_days: z
    .int()
    .min(0)
    .max(36_500)
    .transform((value) => (value === 0 ? undefined : value))
    .optional()
    .meta({
      description:
        'Checkouts, mirrors and homes that no task has used for so many days are removed, and with them what tools keep there, such as a local Terraform state.',
      env: 'SEMAPHORE_RUNNER_CLEANUP_MAX_AGE_DAYS',
      own: true,
      defaultText: 'no limit',
      example: 30,
    }),
  max_size: z.string().regex(sizePattern).optional().meta({
    description:
      'Room for checkouts, mirrors and homes together (KB, MB, GB, TB, or KiB, MiB, …); the least recently used are removed until they fit.',
    env: 'SEMAPHORE_RUNNER_CLEANUP_MAX_SIZE',
    own: true,
    defaultText: 'no limit',
    example: '20GB',
  }),
});

/** The `runner` object of the file (spec 2.3) and our own additions to it. */
export const runnerSectionSchema = z.object({
  token: optionalText({
    description:
      'Token of the registered runner. Excludes `token_file`. `runner register` writes it here when there is no `token_file`.',
    env: 'SEMAPHORE_RUNNER_TOKEN',
    sensitive: true,
  }),
  token_file: optionalText({
    description:
      'File with the token, written by `runner register` with mode 0600. Excludes `token`. A new token in it is used from the next request on.',
    env: 'SEMAPHORE_RUNNER_TOKEN_FILE',
    example: '/var/lib/semaphore/runner.token',
  }),
  token_store: choice(['file', 'keychain'], 'file', {
    description:
      '`keychain`: `runner register` puts the token into the keychain of the desktop session (Secret Service, macOS Keychain, Windows Credential Manager) instead of a file. Excludes `token` and `token_file`.',
    env: 'SEMAPHORE_RUNNER_TOKEN_STORE',
    own: true,
  }),
  registration_token_file: optionalText({
    description: 'File with the registration token, for `runner register` and `runner start --register`.',
    env: 'SEMAPHORE_RUNNER_REGISTRATION_TOKEN_FILE',
    example: '/run/secrets/semaphore-registration-token',
  }),
  private_key_file: optionalText({
    description:
      'RSA key for servers 2.12 to 2.18, which encrypt their answers; made by `runner register` if it is not there. Leave it out for newer servers.',
    env: 'SEMAPHORE_RUNNER_PRIVATE_KEY_FILE',
  }),
  one_off: flag(false, {
    description: 'Run what is waiting, report it, then exit 0.',
    env: 'SEMAPHORE_RUNNER_ONE_OFF',
  }),
  enabled: flag(true, {
    description: 'Sent at registration: the server may give tasks to this runner at once.',
    env: 'SEMAPHORE_RUNNER_ENABLED',
  }),
  webhook: optionalText({
    description: 'Sent at registration: URL which the server calls before and after a task.',
    env: 'SEMAPHORE_RUNNER_WEBHOOK',
    example: 'https://hooks.example.com/semaphore-runner',
  }),
  name: optionalText({
    description: 'Sent at registration: name shown by the server.',
    env: 'SEMAPHORE_RUNNER_NAME',
    example: 'eu-1',
  }),
  tags: textList({
    description: 'Sent at registration: tasks whose template asks for one of these tags come here.',
    env: 'SEMAPHORE_RUNNER_TAGS',
    example: ['eu', 'ansible'],
  }),
  max_parallel_tasks: wholeOrZero(
    { byDefault: 9999 },
    {
      description: 'Tasks that run at the same time; sent at registration and kept by the runner itself.',
      env: 'SEMAPHORE_RUNNER_MAX_PARALLEL_TASKS',
      example: 4,
    },
  ),
  project_id: optionalId({
    description: 'Sent at registration: the runner serves this project only. 0 or null: all projects.',
    env: 'SEMAPHORE_RUNNER_PROJECT_ID',
  }),
  check_interval_seconds: wholeOrZero(
    { byDefault: 1 },
    {
      description:
        'Seconds between two questions for new tasks. The server takes a silent runner for offline after 120 s.',
      env: 'SEMAPHORE_RUNNER_CHECK_INTERVAL_SECONDS',
    },
  ),
  connection: connectionSchema.prefault({}),
  executor: executorSchema,
  state_dir: optionalText({
    description: 'Directory in which running tasks are remembered across a restart.',
    env: 'SEMAPHORE_RUNNER_STATE_DIR',
    own: true,
    defaultText: 'a directory below `tmp_path`',
  }),
  stop_grace_seconds: whole(
    { min: 0, max: 3600, byDefault: 15 },
    {
      description: 'Seconds a stopped task has from the first signal until it is killed.',
      env: 'SEMAPHORE_RUNNER_STOP_GRACE_SECONDS',
      own: true,
    },
  ),
  ...endingKeys,
  log: logLimitsSchema.prefault({}),
  masking: maskingSchema.prefault({}),
  cleanup: cleanupSchema.prefault({}),
});

const appKey = { noEnv: 'set the whole map with `SEMAPHORE_APPS`' };

const appSchema = z.object({
  path: optionalText({
    description: 'Executable instead of the default one.',
    ...appKey,
    example: '/opt/tofu/bin/tofu',
  }),
  args: z
    .array(z.string())
    .optional()
    .meta({
      description: 'Leading arguments instead of the default ones; for Terraform-like apps they are put in front.',
      ...appKey,
    }),
  active: z
    .boolean()
    .optional()
    .meta({ description: 'Shown by the server.', ...appKey, unused: 'the server decides' }),
  priority: z
    .int()
    .optional()
    .meta({ description: 'Order in the server’s list.', ...appKey, unused: 'for the server' }),
  ...Object.fromEntries(
    ['title', 'icon', 'color', 'dark_color'].map((name) => [
      name,
      optionalText({ description: 'Shown by the server.', ...appKey, unused: 'for the server' }),
    ]),
  ),
});

const sshSchema = z.object({
  config_path: optionalText({
    description: 'Configuration file for git’s ssh (`-F`).',
    env: 'SEMAPHORE_SSH_PATH',
  }),
  known_hosts_file: optionalText({
    description: 'Known host keys, used unless `strict_host_key_checking` is `no`.',
    env: 'SEMAPHORE_SSH_KNOWN_HOSTS_FILE',
    example: '/etc/semaphore/known_hosts',
  }),
  strict_host_key_checking: choice(['no', 'yes', 'accept-new'], 'no', {
    description: 'What to do with the host key of a git server.',
    env: 'SEMAPHORE_SSH_STRICT_HOST_KEY_CHECKING',
  }),
});

const namespaceFlag = (name: string) =>
  flag(false, {
    description: `Give the app a ${name} namespace of its own.`,
    env: `SEMAPHORE_PROCESS_APP_NS_${name.toUpperCase()}`,
    unsupported: 'namespaces are not supported',
  });

const processSchema = z.object({
  user: optionalText({
    description: 'User that tasks run as; wins over `uid` and `gid`.',
    env: 'SEMAPHORE_PROCESS_USER',
    example: 'semaphore-task',
  }),
  uid: optionalId({ description: 'User id that tasks run as; needs `gid`.', env: 'SEMAPHORE_PROCESS_UID' }),
  gid: optionalId({ description: 'Group id that tasks run as; needs `uid`.', env: 'SEMAPHORE_PROCESS_GID' }),
  chroot: optionalText({ description: 'Root directory of task processes.', env: 'SEMAPHORE_PROCESS_CHROOT' }),
  no_new_privs: flag(false, {
    description: 'Task processes cannot gain privileges (no sudo, no set-uid programs).',
    env: 'SEMAPHORE_PROCESS_NO_NEW_PRIVS',
  }),
  app_namespaces: z
    .object({
      user: namespaceFlag('user'),
      mount: namespaceFlag('mount'),
      pid: namespaceFlag('pid'),
      ipc: namespaceFlag('ipc'),
      uts: namespaceFlag('uts'),
    })
    .prefault({}),
});

const reservedDirectory = (env: string) =>
  optionalText({ description: 'Reserved by the original.', env, unused: 'everything lives below `tmp_path`' });

const syslogText = (name: string) =>
  optionalText({
    description: 'For shipping the process log.',
    env: `SEMAPHORE_SYSLOG_${name.toUpperCase()}`,
    unused: 'the log goes to standard error',
  });

const syslogSchema = z.object({
  enabled: flag(false, {
    description: 'Ship the process log to a syslog server.',
    env: 'SEMAPHORE_SYSLOG_ENABLED',
    unsupported: 'the log goes to standard error, where systemd or the container engine collects it',
  }),
  network: syslogText('network'),
  address: syslogText('address'),
  tag: syslogText('tag'),
  format: syslogText('format'),
});

/** The keys of a configuration file that concern a runner, as they are spelled there (spec 2.3, 2.4). */
export const runnerFileSchema = z.object({
  web_host: optionalText({
    description: 'Base URL of the Semaphore server.',
    env: 'SEMAPHORE_WEB_ROOT',
    example: 'https://semaphore.example.com',
  }),
  tmp_path: z.string().default('/tmp/semaphore').meta({
    description: 'Work root: checkouts, and the state of running tasks unless `runner.state_dir` is set.',
    env: 'SEMAPHORE_TMP_PATH',
    example: '/var/lib/semaphore',
  }),
  runner: runnerSectionSchema.prefault({}),
  home_dir_mode: choice(['template_dir', 'user_home', 'project_home'], 'template_dir', {
    description: '`HOME` of tasks.',
    env: 'SEMAPHORE_HOME_DIR_MODE',
  }),
  git_attempts: wholeOrZero(
    { byDefault: 4 },
    {
      description: 'Attempts of a clone or fetch; 1 means no retry.',
      env: 'SEMAPHORE_GIT_ATTEMPTS',
    },
  ),
  git_client: choice(['cmd_git', 'go_git'], 'cmd_git', {
    description: 'How the original talks to git servers.',
    env: 'SEMAPHORE_GIT_CLIENT',
    unsupported: 'this runner always uses the `git` command',
  }),
  ssh: sshSchema.prefault({}),
  ssh_config_path: optionalText({
    description: 'Older name of `ssh.config_path`, which wins.',
    env: 'SEMAPHORE_SSH_PATH',
  }),
  apps: z
    .record(z.string(), appSchema)
    .default({})
    .meta({
      description: 'Apps by name (`ansible`, `bash`, `terraform`, your own …).',
      env: 'SEMAPHORE_APPS',
      example: { powershell: { path: 'pwsh', args: ['-NoProfile', '-File'] }, tofu: { path: '/opt/tofu/bin/tofu' } },
    }),
  env_vars: textMap({
    description: 'Environment of every task process.',
    env: 'SEMAPHORE_ENV_VARS',
    example: { LANG: 'C.UTF-8' },
  }),
  forwarded_env_vars: textList({
    description: 'Variables of the runner’s own environment that tasks see.',
    env: 'SEMAPHORE_FORWARDED_ENV_VARS',
    example: ['HTTPS_PROXY', 'NO_PROXY', 'SSL_CERT_FILE'],
  }),
  process: processSchema.prefault({}),
  secrets_path: optionalText({
    description: 'Directory of secret files.',
    env: 'SEMAPHORE_SECRETS_PATH',
    unused: 'secrets are never written to files',
  }),
  dirs: z
    .object({
      secrets: reservedDirectory('SEMAPHORE_SECRETS_PATH'),
      repos: reservedDirectory('SEMAPHORE_REPOS_DIR'),
      ssh_agent_sockets: reservedDirectory('SEMAPHORE_SSH_AGENT_SOCKETS_DIR'),
    })
    .prefault({}),
  syslog: syslogSchema.prefault({}),
  max_task_duration_sec: wholeOrZero(
    { byDefault: 0 },
    {
      description: 'Longest duration of a task.',
      env: 'SEMAPHORE_MAX_TASK_DURATION_SEC',
      unused: 'the server enforces its own value',
    },
  ),
  max_parallel_tasks: wholeOrZero(
    { byDefault: 9999 },
    {
      description: 'Tasks of the whole server; a runner has `runner.max_parallel_tasks`.',
      env: 'SEMAPHORE_MAX_PARALLEL_TASKS',
      unused: 'for the server',
    },
  ),
});

/** The file after parsing and defaults, names as in the file. */
export type RunnerFile = z.output<typeof runnerFileSchema>;
