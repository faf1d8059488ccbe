import {
  ComposeExecutor,
  type ComposeExecutorOptions,
  HostExecutor,
  type HostExecutorOptions,
  type JobEvents,
  type JobExecutor,
  type KubernetesJobs,
} from '../../executors/index.ts';
import { UserError } from '../../lib/index.ts';
import type { JobResult } from '../../protocol/ci/index.ts';
import { createEventWriter } from '../events.ts';
import { type Metrics, pullMetrics } from '../statsd/index.ts';
import type { RunJobOptions } from '../types.ts';
import { jobSecrets } from './job-secrets.ts';
import { runJob } from './run-job.ts';

export interface CreateJobOptions
  extends
    Omit<RunJobOptions, 'executor' | 'events' | 'stop'>,
    Pick<HostExecutorOptions, 'env' | 'cwd' | 'stopGraceMs' | 'startTimeoutMs' | 'hurry'> {
  /** Put `***` in the log where values of the job's variables and contents of its files would be. @default false */
  maskSecrets?: boolean;
  /** @default '/tmp/ssh_jump_point' */
  jumpPoint?: string | undefined;
  /** Runs the job in a pod, whatever executor it names. @default undefined, it does not */
  kubernetes?: Pick<KubernetesJobs, 'createExecutor'> | undefined;
  /** What jobs of docker compose get of this host. @default nothing */
  compose?: Pick<ComposeExecutorOptions, 'files' | 'failOnMissingFiles' | 'exposeKvm'> | undefined;
  /** Told about the pull of their images. @default nobody */
  metrics?: Metrics | undefined;
}

/** A job that is ready to run, once. Aborting the signal stops it. */
export type RunnableJob = (stop: AbortSignal) => Promise<JobResult>;

/**
 * Puts a job together (spec CI 5.1), without any effect yet. Throws UserError when its executor is none that this agent has: the caller
 * then closes the log, to which nothing was written.
 */
export function createJob(options: CreateJobOptions): RunnableJob {
  const { request, log, clock, hostVariables, maskSecrets = false } = options;
  const events = createEventWriter({ log, clock, secrets: maskSecrets ? jobSecrets(request, hostVariables) : [] });
  const executor = chooseExecutor(options, events);
  return (stop) => runJob({ ...options, executor, events, stop });
}

function chooseExecutor(options: CreateJobOptions, events: JobEvents): JobExecutor {
  const { request, mode, logger, clock, env, cwd, jumpPoint, stopGraceMs, startTimeoutMs, hurry } = options;
  if (options.kubernetes) {
    const { hostVariables = [] } = options;
    return options.kubernetes.createExecutor({
      events,
      logger,
      request,
      hostVariables,
      stopGraceMs,
      startTimeoutMs,
      hurry,
    });
  }
  if (request.executor === 'dockercompose') {
    if (request.compose.containers.length === 0) throw new UserError('a dockercompose job names no container');
    return new ComposeExecutor({
      ...options.compose,
      jobId: request.jobId,
      compose: request.compose,
      events,
      logger,
      clock,
      env,
      cwd,
      sshPublicKeys: request.sshPublicKeys,
      jumpPoint,
      pulls: options.metrics && pullMetrics(options.metrics, request.compose.containers[0]?.image),
      stopGraceMs,
      startTimeoutMs,
      hurry,
    });
  }
  if (request.executor !== 'shell') {
    throw new UserError(`unknown executor type: ${request.executor}`, {
      hint: 'This agent runs `shell` and `dockercompose` jobs.',
    });
  }
  return new HostExecutor({
    events,
    logger,
    clock,
    env,
    cwd,
    remoteAccess: mode === 'self-hosted' ? undefined : { sshPublicKeys: request.sshPublicKeys, jumpPoint },
    stopGraceMs,
    startTimeoutMs,
    hurry,
  });
}
