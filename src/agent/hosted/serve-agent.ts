import type { ServeOptions } from '../../config/index.ts';
import { sweepComposeJobs } from '../../executors/index.ts';
import { createTransport } from '../../http/index.ts';
import type { Clock } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { AgentSignals } from '../listener/index.ts';
import { deliverLeftovers, openStateDirectory, stateDirectoryPath } from '../log/index.ts';
import { openStatsd } from '../statsd/index.ts';
import { createJobBuilder } from './build-job.ts';
import { serveJobs } from './serve-jobs.ts';
import type { ServeJobsOptions } from './types.ts';

export interface ServeAgentOptions extends Pick<ServeJobsOptions, 'agentLogFile' | 'accessLog' | 'onListening'> {
  serve: ServeOptions;
  version: string;
  /** The first one ends job and server in good order, `quit` without waiting. */
  signals: AgentSignals;
  /** The agent's own, which its jobs inherit. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** @default '/tmp/ssh_jump_point' */
  jumpPoint?: string | undefined;
  clock: Clock;
  logger: Logger;
}

/**
 * `agent serve` (spec CI 3): takes one job over HTTPS and runs it on this host. Resolves with the exit code: 0 after a signal, 130 or 143 when a
 * further one did not let it wait. Throws UserError when the certificate, the address or the state directory cannot be used.
 */
export async function serveAgent(options: ServeAgentOptions): Promise<number> {
  const { serve, env, clock, logger } = options;
  const { authTokenSecret: sealToken, preJobHookPath, maskJobSecrets, files, exposeKvmDevice: exposeKvm } = serve;
  const state = await openStateDirectory(stateDirectoryPath(env));
  const ended = new AbortController();
  const transport = await createTransport({ env });
  const leftovers = deliverLeftovers({ state, sealToken, transport, env, signal: ended.signal, clock, logger });
  const sweep = sweepComposeJobs({ env, clock, logger });
  const metrics = serve.statsd && openStatsd({ ...serve.statsd, clock, logger });
  try {
    const buildJob = createJobBuilder({
      ...options,
      state,
      sealToken,
      preJobHookPath,
      maskSecrets: maskJobSecrets,
      compose: { files, exposeKvm },
      metrics,
    });
    return await serveJobs({ ...options, ...serve, transport, buildJob });
  } finally {
    ended.abort();
    await leftovers;
    await sweep;
    await metrics?.close();
    transport.close();
  }
}
