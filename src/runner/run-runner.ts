import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunnerConfig } from '../config/index.ts';
import { checkIdentity } from '../executors/index.ts';
import { proxySecrets, urlSecrets } from '../http/index.ts';
import { messageOf, systemClock, UserError } from '../lib/index.ts';
import { UiRunnerClient } from '../protocol/ui/index.ts';
import { openTokenSource } from '../secrets/index.ts';
import { ownerOf } from './executors/index.ts';
import { instanceStart, tidyState } from './instance.ts';
import { openTransport } from './open-transport.ts';
import { RenewingClient } from './renewing-client.ts';
import { Runner } from './runner.ts';
import { lockState, stateDirectory } from './state-directory.ts';
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
  const isLocal = config.runner.executor.type === 'local';
  if (isLocal) await checkIdentity(config, process.env['PATH'] ?? '');
  const { connection: via } = config.runner;
  const transport = await openTransport(via, process.env, (problem) => {
    logger.warn('A changed certificate cannot be used', { detail: problem });
  });
  const privateKey = readPrivateKey(config.runner.privateKeyFile);
  const stateDir = stateDirectory(options.loaded, token);
  const lock = await lockState(stateDir);
  const jobsRoot = join(stateDir, 'jobs');
  const startedAt = instanceStart(stateDir, jobsRoot, new Date(clock.now()));
  const client = new RenewingClient({
    clock,
    source: openTokenSource({
      loaded: options.loaded,
      token,
      onChange: (renewed) => {
        options.onToken?.(renewed);
        runner?.renewToken(renewed);
        logger.info('The token of this runner has changed; the new one is used from now on');
      },
      onWarning: (problem) => logger.warn('A changed token cannot be used', { detail: problem }),
    }),
    clientFor: (value) =>
      new UiRunnerClient({
        transport,
        webHost: config.webHost ?? '',
        startedAt,
        token: () => value,
        timeoutMs: via.requestTimeoutMs,
        ...(privateKey ? { privateKey } : {}),
      }),
  });
  let runner: Runner | undefined;
  try {
    await tidyState(stateDir, jobsRoot);
    const cgroups = isLocal ? await openCgroups(config.runner, stateDir, logger) : undefined;
    const owner = ownerOf(stateDir, token);
    const { webHost = '' } = config;
    const passphrase = via.clientCertificate?.passphrase ?? [];
    const ownSecrets = [token, ...proxySecrets(process.env), ...urlSecrets(webHost)].concat(passphrase);
    runner = new Runner(options, { client, clock, token, ownSecrets, jobsRoot, cgroups, owner });
    return await runner.run();
  } finally {
    transport.close();
    // Until this process is gone the tasks it leaves may still write to their directories; a dead process holds no lock.
    if (!shutdown.leave.aborted) await lock.release();
    logger.debug('Runner ended', { draining: shutdown.drain.aborted });
  }
}

function requireStartable(config: RunnerConfig): string {
  if (config.webHost === undefined) {
    throw new UserError('No server is configured: web_host is missing.', {
      hint: 'Run `semaphore runner setup`, or set web_host in the file or SEMAPHORE_WEB_ROOT.',
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
