import type { Clock } from '../../lib/index.ts';
import type { AgentRegistration, CiAgentClient, JobRequest, JobResult } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';

/** What the listener asks of the server. */
export type AgentApi = Pick<CiAgentClient, 'register' | 'sync' | 'getJob' | 'disconnect'>;

export interface JobControl {
  /** Aborted when the job shall end: its whole process tree, no epilogues; the result is then `stopped`. */
  stop: AbortSignal;
  /** Aborted when the agent cannot wait any longer: what is not delivered of the log stays where the next agent finds it. */
  abandon: AbortSignal;
}

/**
 * Runs a job to its end: resolves when its tree is gone and its log is delivered. Rejects when the job cannot be built (an unknown
 * executor or logger, a push logger without URL, …); the server is then told that it has failed.
 */
export type StartJob = (request: JobRequest, control: JobControl) => Promise<JobResult>;

/** How the agent is told to end from outside. */
export interface AgentSignals {
  /** The first SIGINT or SIGTERM: the server is told, and decides. */
  interrupted: AbortSignal;
  /** Somebody at a terminal wants to be rid of it. */
  quit: AbortSignal;
}

export interface ShutdownHookOptions {
  path: string;
  /** The agent's own. */
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
}

export interface ListenerOptions {
  api: AgentApi;
  registration: AgentRegistration;
  startJob: StartJob;
  signals: AgentSignals;
  /** Run last (spec CI 2.10). */
  shutdownHook?: ShutdownHookOptions | undefined;
  clock: Clock;
  logger: Logger;
  /** Told the name that the server gave. */
  onRegistered?: ((name: string) => void) | undefined;
}
