import type { AgentStateName } from '../../../protocol/ci/index.ts';

/** What the server's decision hangs on (spec CI 2.11). */
export interface SyncFacts {
  state: AgentStateName;
  disabled: boolean;
  /** Since the agent was told to end, milliseconds; undefined when it was not. */
  interruptedForMs: number | undefined;
  /** How long a job may go on after that. */
  gracePeriodMs: number;
  singleJob: boolean;
  idleForMs: number;
  /** 0 for no limit. */
  idleTimeoutMs: number;
  /** Of the job that the agent runs. */
  stopRequested: boolean;
  /** The job for an agent that waits, if there is one; it is the agent's from then on. */
  assign: () => string | undefined;
}

export type SyncDecision =
  | { action: 'continue' | 'wait-for-jobs' | 'stop-job' }
  | { action: 'run-job'; jobId: string }
  | { action: 'shutdown'; reason: 'idle' | 'job-finished' | 'requested' | 'interrupted' };

/** What the server answers to a sync: the table of spec CI 2.11, row by row. */
export function decide(facts: SyncFacts): SyncDecision {
  switch (facts.state) {
    case 'waiting-for-jobs':
      return whileWaiting(facts);
    case 'running-job':
      return { action: mustStop(facts) ? 'stop-job' : 'continue' };
    case 'starting-job':
    case 'stopping-job':
      return { action: 'continue' };
    case 'finished-job':
      if (facts.disabled) return { action: 'shutdown', reason: 'requested' };
      if (facts.singleJob) return { action: 'shutdown', reason: 'job-finished' };
      if (facts.interruptedForMs !== undefined) return { action: 'shutdown', reason: 'interrupted' };
      return { action: 'wait-for-jobs' };
  }
}

function whileWaiting(facts: SyncFacts): SyncDecision {
  if (facts.disabled) return { action: 'shutdown', reason: 'requested' };
  if (facts.interruptedForMs !== undefined) return { action: 'shutdown', reason: 'interrupted' };
  const jobId = facts.assign();
  if (jobId !== undefined) return { action: 'run-job', jobId };
  if (facts.idleTimeoutMs > 0 && facts.idleForMs > facts.idleTimeoutMs) return { action: 'shutdown', reason: 'idle' };
  return { action: 'continue' };
}

function mustStop({ stopRequested, disabled, interruptedForMs, gracePeriodMs }: SyncFacts): boolean {
  return stopRequested || disabled || (interruptedForMs !== undefined && interruptedForMs >= gracePeriodMs);
}
