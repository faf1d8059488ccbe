import { hostname } from 'node:os';
import type { AgentOptions } from '../../config/index.ts';
import { type KubernetesJobs, openKubernetesJobs, sweepComposeJobs } from '../../executors/index.ts';
import { createTransport } from '../../http/index.ts';
import type { Clock } from '../../lib/index.ts';
import { CiAgentClient, userAgentOf } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { type AgentSignals, describeArch, describeOs, runListener } from '../listener/index.ts';
import { deliverLeftovers, openStateDirectory, stateDirectoryPath } from '../log/index.ts';
import { selfHostedJobs } from './self-hosted-jobs.ts';

export interface StartAgentOptions {
  options: AgentOptions;
  /** With its `v`. */
  version: string;
  /** Of the agent, without its own secrets: what jobs and hooks get. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  signals: AgentSignals;
  clock: Clock;
  logger: Logger;
  /** Told the name that the server gave; "" when it gave none. */
  onRegistered?: ((name: string) => void) | undefined;
}

/**
 * `agent start` with checked options (spec CI 2): registers, and runs the jobs of the server until it is told to end. Meanwhile the job logs
 * that earlier agents have left are delivered. Resolves with the exit code. Throws UserError when it cannot begin.
 */
export async function startAgent(start: StartAgentOptions): Promise<number> {
  const { options, version, env, cwd, signals, clock, logger } = start;
  const state = await openStateDirectory(options.stateDirectory ?? stateDirectoryPath(env));
  const kubernetes = await openKubernetes(start);
  const transport = await createTransport({ env });
  const ended = new AbortController();
  try {
    const api = new CiAgentClient({
      transport,
      endpoint: options.endpoint,
      noHttps: options.noHttps,
      version,
      registrationToken: options.token,
    });
    const sweep = kubernetes ? kubernetes.sweep() : sweepComposeJobs({ env, clock, logger });
    const leftovers = deliverLeftovers({
      state,
      sealToken: options.token,
      transport,
      env,
      signal: ended.signal,
      clock,
      logger,
    });
    const code = await runListener({
      api,
      registration: {
        name: options.name,
        pid: process.pid,
        os: await describeOs(env['PATH']),
        arch: describeArch(),
        hostname: hostname(),
        singleJob: options.disconnectAfterJob,
        idleTimeout: options.idleTimeout,
        interruptionGracePeriod: options.interruptionGracePeriod,
        jobId: options.jobId,
      },
      startJob: selfHostedJobs({
        options,
        state,
        transport,
        userAgent: userAgentOf(version),
        refresh: (signal) => api.refresh(signal),
        kubernetes,
        env,
        cwd,
        clock,
        logger,
      }),
      signals,
      shutdownHook: options.shutdownHookPath === '' ? undefined : { path: options.shutdownHookPath, env, cwd },
      clock,
      logger,
      onRegistered: start.onRegistered,
    });
    ended.abort();
    await leftovers;
    await sweep;
    return code;
  } finally {
    ended.abort();
    await kubernetes?.close();
    transport.close();
  }
}

async function openKubernetes({ options, env, clock, logger }: StartAgentOptions): Promise<KubernetesJobs | undefined> {
  const { enabled, ...settings } = options.kubernetes;
  if (!enabled) return undefined;
  return await openKubernetesJobs({ settings, env, agentName: options.name, clock, logger });
}
