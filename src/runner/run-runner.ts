import { createHash, createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunnerConfig } from '../config/index.ts';
import { createTransport } from '../http/index.ts';
import { type DirectoryLock, lockDirectory, messageOf, systemClock, UserError } from '../lib/index.ts';
import { UiRunnerClient } from '../protocol/ui/index.ts';
import { checkIdentity } from '../tasks/index.ts';
import { instanceStart } from './instance.ts';
import { Runner } from './runner.ts';
import { openCgroups } from './task-cgroups.ts';
import type { RunRunnerOptions } from './types.ts';

/**
 * Runs the runner until it is told to end, or in one-off mode until its tasks are finished and acknowledged. Returns the
 * exit code: 0; 3 when results could not be delivered (they are kept and delivered at the next start); 4 when the server
 * has refused the token for good (results are kept, too); 130 or 143 after a second signal. Throws UserError when the configuration does not allow a start.
 */
export async function runRunner(options: RunRunnerOptions): Promise<number> {
  const { clock = systemClock, logger, shutdown } = options;
  const { config } = options.loaded;
  const token = requireStartable(config);
  await checkIdentity(config, process.env['PATH'] ?? '');
  const { connection: via } = config.runner;
  const transport = await createTransport({
    caFile: via.serverCaCertFile,
    skipTlsVerify: via.skipTlsVerify,
    env: process.env,
  });
  const privateKey = readPrivateKey(config.runner.privateKeyFile);
  const stateDir = stateDirectory(config, token);
  const lock = await lockState(stateDir);
  const jobsRoot = join(stateDir, 'jobs');
  const client = new UiRunnerClient({
    transport,
    webHost: config.webHost ?? '',
    startedAt: instanceStart(stateDir, jobsRoot, new Date(clock.now())),
    token: () => token,
    timeoutMs: via.requestTimeoutMs,
    ...(privateKey ? { privateKey } : {}),
  });
  try {
    const cgroups = await openCgroups(config.runner, stateDir, logger);
    return await new Runner(options, { client, clock, token, jobsRoot, cgroups }).run();
  } finally {
    transport.close();
    // Until this process is gone the tasks it leaves may still write to their directories; a dead process holds no lock.
    if (!shutdown.leave.aborted) await lock.release();
    logger.debug('Runner ended', { draining: shutdown.drain.aborted });
  }
}

/** Where a runner keeps its job directories when `runner.state_dir` is not set: one place per runner identity. */
function stateDirectory(config: RunnerConfig, token: string): string {
  if (config.runner.stateDir !== undefined) return config.runner.stateDir;
  return join(config.tmpPath, `.runner-${createHash('sha256').update(token).digest('hex').slice(0, 12)}`);
}

/** Makes the state directory and this process the only runner in it: another one would end its tasks. */
async function lockState(directory: string): Promise<DirectoryLock> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error: unknown) {
    throw new UserError(`Cannot make the state directory ${directory}: ${messageOf(error)}`, {
      hint: 'Name another with runner.state_dir, or see tmp_path.',
      cause: error,
    });
  }
  return lockDirectory(directory, {
    who: 'runner',
    hint: 'Stop it first; two runners on one machine need a registration, or a runner.state_dir, of their own.',
  });
}

function requireStartable(config: RunnerConfig): string {
  if (config.webHost === undefined) {
    throw new UserError('No server is configured: web_host is missing.', {
      hint: 'Run `semaphore runner setup`, or set web_host in the file or SEMAPHORE_WEB_ROOT.',
    });
  }
  if (config.runner.executorType !== 'local') {
    throw new UserError(`runner.executor.type "${config.runner.executorType}" is not available in this version.`, {
      hint: 'Use "local".',
    });
  }
  const { token } = config.runner;
  if (token === undefined || token === '') {
    throw new UserError('This runner has no token: it is not registered with the server.', {
      hint: 'Run `semaphore runner register`, or `semaphore runner start --register` with a registration token.',
    });
  }
  return token;
}

function readPrivateKey(path: string | undefined): KeyObject | undefined {
  if (path === undefined) return undefined;
  try {
    return createPrivateKey(readFileSync(path));
  } catch (error: unknown) {
    throw new UserError(`Cannot use runner.private_key_file ${path}: ${messageOf(error)}`, {
      hint: 'Servers from 2.19 on need no key: remove the setting. Older ones need the key the runner was registered with.',
      cause: error,
    });
  }
}
