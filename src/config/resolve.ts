import { resolve as resolvePath } from 'node:path';
import { resolveExecutor } from './resolve-executor.ts';
import type { RunnerFile } from './runner-schema.ts';
import { bytesOf } from './size.ts';
import type { RunnerConfig } from './types.ts';

export interface ResolveContext {
  cwd: string;
  registrationToken: string | undefined;
  /** Content of `runner.token_file`, or of the credential. */
  fileToken: string | undefined;
  /** File of the systemd credential that `fileToken` was read from. */
  tokenCredential: string | undefined;
}

/** Turns the checked file (names and units of the file) into what the program works with. */
export function resolveConfig(file: RunnerFile, context: ResolveContext): RunnerConfig {
  const { cwd, registrationToken, fileToken, tokenCredential } = context;
  const path = (value: string | undefined) => (value ? resolvePath(cwd, value) : undefined);
  const { runner, ssh, process } = file;
  // The original applies the ids only when both are there.
  const both = process.uid !== undefined && process.gid !== undefined;
  return {
    webHost: text(file.web_host)?.replace(/\/+$/, ''),
    tmpPath: resolvePath(cwd, file.tmp_path === '' ? '/tmp/semaphore' : file.tmp_path),
    homeDirMode: file.home_dir_mode,
    gitAttempts: file.git_attempts,
    ssh: {
      configPath: path(text(ssh.config_path) ?? file.ssh_config_path),
      knownHostsFile: path(ssh.known_hosts_file),
      strictHostKeyChecking: ssh.strict_host_key_checking,
    },
    apps: Object.fromEntries(
      Object.entries(file.apps).map(([name, app]) => [name, { path: text(app.path), args: app.args }]),
    ),
    envVars: file.env_vars,
    forwardedEnvVars: file.forwarded_env_vars,
    process: {
      user: text(process.user),
      uid: both ? process.uid : undefined,
      gid: both ? process.gid : undefined,
      chroot: path(process.chroot),
      noNewPrivs: process.no_new_privs,
    },
    runner: {
      registrationToken: text(registrationToken?.trim()),
      registrationTokenFile: path(runner.registration_token_file),
      token: text(runner.token?.trim()) ?? fileToken,
      tokenFile: path(runner.token_file),
      tokenStore: runner.token_store,
      tokenCredential,
      privateKeyFile: path(runner.private_key_file),
      oneOff: runner.one_off,
      enabled: runner.enabled,
      webhook: text(runner.webhook),
      name: text(runner.name),
      tags: runner.tags.filter((tag) => tag !== ''),
      maxParallelTasks: runner.max_parallel_tasks,
      projectId: runner.project_id,
      checkIntervalSeconds: runner.check_interval_seconds,
      connection: {
        serverCaCertFile: path(runner.connection.server_ca_cert_file),
        skipTlsVerify: runner.connection.skip_tls_verify,
        clientCertificate: clientCertificate(runner.connection, path),
        requestTimeoutMs: runner.connection.request_timeout_seconds * 1000,
      },
      executor: resolveExecutor(runner.executor, path),
      stateDir: path(runner.state_dir),
      stopGraceMs: runner.stop_grace_seconds * 1000,
      taskTimeoutMs: runner.task_timeout_seconds * 1000 || undefined,
      noOutputTimeoutMs: runner.no_output_timeout_seconds * 1000 || undefined,
      drainTimeoutMs: runner.drain_timeout_seconds * 1000 || undefined,
      cgroup: runner.cgroup,
      limits: {
        cpu: runner.limits.cpu,
        memoryBytes: bytesOf(runner.limits.memory),
        processes: runner.limits.processes,
      },
      log: {
        maxLineBytes: runner.log.max_line_bytes,
        maxRequestBytes: runner.log.max_request_bytes,
        flushIntervalMs: runner.log.flush_interval_ms,
      },
      masking: { enabled: runner.masking.enabled, minLength: runner.masking.min_length },
      cleanup: {
        schedule: runner.cleanup.schedule,
        maxAgeMs: runner.cleanup.max_age_days === undefined ? undefined : runner.cleanup.max_age_days * 86_400_000,
        maxBytes: bytesOf(runner.cleanup.max_size),
      },
    },
  };
}

function clientCertificate(
  connection: RunnerFile['runner']['connection'],
  path: (value: string | undefined) => string | undefined,
): RunnerConfig['runner']['connection']['clientCertificate'] {
  const certFile = path(connection.client_cert_file);
  if (certFile === undefined) return undefined;
  return {
    certFile,
    keyFile: path(connection.client_key_file),
    passphrase: text(connection.client_key_passphrase),
    passphraseFile: path(connection.client_key_passphrase_file),
  };
}

/** Empty text stands for "not set". */
function text(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
