import type { ExecutorConfig } from './executor-types.ts';

/** The resolved configuration of a runner: defaults are in, names are ours. Keys of the file: `docs/configuration.md`. */
export interface RunnerConfig {
  /** Base URL of the server, without a trailing slash; undefined until `setup` ran. */
  webHost: string | undefined;
  /** Work root; absolute. */
  tmpPath: string;
  homeDirMode: 'template_dir' | 'user_home' | 'project_home';
  /** Attempts of clone and fetch; 1 means no retry. */
  gitAttempts: number;
  ssh: SshConfig;
  apps: Readonly<Record<string, AppConfig>>;
  /** Static environment of every child process. */
  envVars: Readonly<Record<string, string>>;
  /** Host variables copied to children when non-empty. */
  forwardedEnvVars: readonly string[];
  process: ProcessConfig;
  runner: RunnerSection;
}

export interface SshConfig {
  configPath: string | undefined;
  knownHostsFile: string | undefined;
  strictHostKeyChecking: 'no' | 'yes' | 'accept-new';
}

export interface AppConfig {
  /** Executable instead of the default one. */
  path: string | undefined;
  /** Leading arguments instead of the default ones. */
  args: readonly string[] | undefined;
}

export interface ProcessConfig {
  user: string | undefined;
  uid: number | undefined;
  gid: number | undefined;
  chroot: string | undefined;
  noNewPrivs: boolean;
}

/** What the processes of one task may use together; undefined for no limit. */
export interface TaskLimits {
  /** Processors, with fractions. */
  cpu: number | undefined;
  memoryBytes: number | undefined;
  /** Processes and threads. */
  processes: number | undefined;
}

export interface RunnerSection {
  registrationToken: string | undefined;
  registrationTokenFile: string | undefined;
  token: string | undefined;
  tokenFile: string | undefined;
  /** Where `register` puts the token, and `start` looks for it. Own addition `runner.token_store`. */
  tokenStore: 'file' | 'keychain';
  /** File of a systemd credential that `token` was read from, when nothing else gave one. */
  tokenCredential: string | undefined;
  privateKeyFile: string | undefined;
  oneOff: boolean;
  /** Sent at registration; true unless the user says otherwise (the original's default made runners inactive, spec 7.1 #5). */
  enabled: boolean;
  webhook: string | undefined;
  name: string | undefined;
  tags: readonly string[];
  /** Sent at registration and enforced here. */
  maxParallelTasks: number;
  projectId: number | undefined;
  checkIntervalSeconds: number;
  connection: {
    serverCaCertFile: string | undefined;
    skipTlsVerify: boolean;
    /** What to show to a server that asks for a certificate. Own additions `runner.connection.client_…`. */
    clientCertificate:
      | {
          certFile: string;
          /** Undefined: the key is in `certFile`. */
          keyFile: string | undefined;
          passphrase: string | undefined;
          passphraseFile: string | undefined;
        }
      | undefined;
    /** Time-out of one request, milliseconds. Own addition `runner.connection.request_timeout_seconds`. */
    requestTimeoutMs: number;
  };
  /** Where tasks run. */
  executor: ExecutorConfig;
  /** Own additions, all below `runner.` in the file. */
  /** Directory of job directories; undefined means `<tmp_path>/.runner-<hash of the token>`. `runner.state_dir`. */
  stateDir: string | undefined;
  /** From TERM (or INT) to KILL, milliseconds. `runner.stop_grace_seconds`. */
  stopGraceMs: number;
  /** From the start of a task; undefined for no limit. `runner.task_timeout_seconds`. */
  taskTimeoutMs: number | undefined;
  /** Since the last output of a task's tool; undefined for no limit. `runner.no_output_timeout_seconds`. */
  noOutputTimeoutMs: number | undefined;
  /** From the first signal until running tasks are stopped; undefined for never. `runner.drain_timeout_seconds`. */
  drainTimeoutMs: number | undefined;
  /** Whether tasks have cgroups. `runner.cgroup`. */
  cgroup: 'auto' | 'off';
  /** What one task may use. `runner.limits`. */
  limits: TaskLimits;
  log: {
    /** A longer line is cut into several records. `runner.log.max_line_bytes`. */
    maxLineBytes: number;
    /** Upper bound of one progress request. `runner.log.max_request_bytes`. */
    maxRequestBytes: number;
    /** Least time between two progress requests while nothing is urgent, milliseconds. `runner.log.flush_interval_ms`. */
    flushIntervalMs: number;
  };
  masking: {
    enabled: boolean;
    /** Secrets shorter than this are not masked. `runner.masking.min_length`. */
    minLength: number;
  };
  /** Removal of what tasks have not used for long; off while neither limit is set. `runner.cleanup`. */
  cleanup: {
    /** Cron expression, checked when the runner starts. */
    schedule: string;
    maxAgeMs: number | undefined;
    maxBytes: number | undefined;
  };
}
