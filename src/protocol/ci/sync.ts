import type * as z from 'zod';
import { int, object, text } from './lenient.ts';

/** What an agent says of itself (spec CI 2.3). */
export const agentStates = ['waiting-for-jobs', 'starting-job', 'running-job', 'stopping-job', 'finished-job'] as const;
export type AgentStateName = (typeof agentStates)[number];

export type JobResult = 'passed' | 'failed' | 'stopped';

export interface SyncReport {
  state: AgentStateName;
  /** "" while waiting. */
  jobId: string;
  /** "" until the job has finished. */
  jobResult: JobResult | '';
  /** Unix seconds of the first termination signal, 0 before. */
  interruptedAt: number;
}

export const syncAnswerSchema = object({
  action: text,
  job_id: text,
  shutdown_reason: text,
  next_sync_after: int,
}).transform((wire) => ({
  /** `continue`, `run-job`, `stop-job`, `wait-for-jobs`, `shutdown`; any other word means: do nothing. */
  action: wire.action,
  jobId: wire.job_id,
  shutdownReason: wire.shutdown_reason,
  /** Milliseconds; 0 or less when the agent shall choose. */
  nextSyncAfterMs: wire.next_sync_after,
}));

/** What the server wants of the agent (spec CI 2.3). */
export type SyncAnswer = z.output<typeof syncAnswerSchema>;

/** The body of a sync; keys in the order that servers see from the original. */
export function encodeSync({ state, jobId, jobResult, interruptedAt }: SyncReport): string {
  return JSON.stringify({ state, job_id: jobId, job_result: jobResult, interrupted_at: interruptedAt });
}
