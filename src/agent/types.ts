import type { JobExecutor } from '../executors/index.ts';
import type { Clock } from '../lib/index.ts';
import type { JobRequest, JobResult } from '../protocol/ci/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { JobEventWriter } from './events.ts';

/** Where the lines of a job's log go (spec CI 7): a file that is asked for, or one that is pushed from. */
export interface JobLog {
  /** One JSON event, without line end. Never throws: what cannot be stored is told to the agent's log. */
  write(line: string): void;
  /**
   * No more lines follow. Resolves when the log is delivered, or is where the next agent finds it. `onClosed` is waited for
   * while the lines are still there; `trimmed` says that the server has not taken all of them.
   */
  close(options: { onClosed?: (trimmed: boolean) => Promise<void> }): Promise<void>;
}

/** `self-hosted`: `agent start`; `hosted`: `agent serve`. */
export type JobMode = 'self-hosted' | 'hosted' | 'run';

/** Scripts of the agent's owner that run in the shell of each job (spec CI 5.12). */
export interface JobHooks {
  /** Hosted jobs always source it, and always fail with it. */
  preJob?: { path: string; source: boolean; failOnError: boolean } | undefined;
  /** Self-hosted jobs only. */
  postJob?: { path: string } | undefined;
}

export interface HostVariable {
  name: string;
  value: string;
}

/**
 * What happens at the end of a job besides its log (spec CI 5.11); a part that is missing is passed over. A rejection is told to the
 * agent's log and ends nothing else: the log always gets its `job_finished`.
 *
 *     finished → job_finished → archived → log closed → teardownFinished → executor stopped
 */
export interface JobTeardown {
  /** The callback for the result, with its retries. */
  finished?: ((result: JobResult) => Promise<void>) | undefined;
  /** Resolves when somebody has fetched the log. */
  archived?: (() => Promise<void>) | undefined;
  /** Given to `JobLog.close`: uploads the log. */
  logClosed?: ((trimmed: boolean) => Promise<void>) | undefined;
  /** The last callback, with its retries. */
  teardownFinished?: (() => Promise<void>) | undefined;
}

export interface RunJobOptions {
  request: JobRequest;
  /** New: nobody has called it yet. Its events go to `events`. */
  executor: JobExecutor;
  /** Writes to `log`. */
  events: JobEventWriter;
  log: JobLog;
  /** @default none */
  hooks?: JobHooks;
  /** Exported to the job; they win over its own variables. @default none */
  hostVariables?: readonly HostVariable[];
  mode: JobMode;
  /** Aborted when the job shall end. */
  stop: AbortSignal;
  clock: Clock;
  teardown?: JobTeardown;
  logger: Logger;
}
