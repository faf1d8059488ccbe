import type { AgentStateName, JobResult, SyncAnswer, SyncReport } from '../../protocol/ci/index.ts';

/**
 * What the agent does, as it tells the server (spec CI 2.7):
 *
 *   waiting-for-jobs ─ run-job ─▶ starting-job ─ job fetched ─▶ running-job ─ stop-job ─▶ stopping-job
 *          ▲                           │ cannot be fetched           │ ends                    │ ends
 *          └──── wait-for-jobs ── finished-job ◀─────────────────────┴─────────────────────────┘
 */
export type AgentState =
  | { kind: 'waiting-for-jobs' }
  | { kind: 'starting-job' | 'running-job' | 'stopping-job'; jobId: string }
  | { kind: 'finished-job'; jobId: string; result: JobResult };

/** Why the agent ends; the words that the shutdown hook sees (spec CI 2.10). */
export type ShutdownReason =
  | 'IDLE'
  | 'JOB_FINISHED'
  | 'REQUESTED'
  | 'INTERRUPTED'
  | 'UNKNOWN'
  /** The agent's own decision. */
  | 'UNABLE_TO_SYNC';

/** What an answer of the server makes the agent do. */
export type Reaction =
  | { kind: 'nothing' }
  /** An order that does not fit to what the agent does. */
  | { kind: 'ignore'; why: string }
  | { kind: 'start'; jobId: string }
  | { kind: 'stop' }
  | { kind: 'wait' }
  | { kind: 'shutdown'; reason: ShutdownReason };

const reasons: ReadonlyMap<string, ShutdownReason> = new Map([
  ['idle', 'IDLE'],
  ['job-finished', 'JOB_FINISHED'],
  ['requested', 'REQUESTED'],
  ['interrupted', 'INTERRUPTED'],
]);

export function reportOf(state: AgentState, interruptedAt: number): SyncReport {
  return {
    state: state.kind,
    jobId: state.kind === 'waiting-for-jobs' ? '' : state.jobId,
    jobResult: state.kind === 'finished-job' ? state.result : '',
    interruptedAt,
  };
}

/**
 * Reads an answer. `reported` is the state that the server answered to: the job may have finished since, and the server does not know.
 * An order that does not fit is ignored: a second job would run beside the first, and a job that nobody runs cannot be stopped.
 */
export function react(state: AgentState, reported: AgentStateName, answer: SyncAnswer): Reaction {
  switch (answer.action) {
    case 'run-job':
      return onRunJob(state, answer.jobId);
    case 'stop-job':
      return onStopJob(state, answer.jobId);
    case 'wait-for-jobs':
      if (state.kind === 'finished-job' && reported === 'finished-job') return { kind: 'wait' };
      if (state.kind === 'waiting-for-jobs') return { kind: 'nothing' };
      return { kind: 'ignore', why: 'the result of the job has not been reported' };
    case 'shutdown':
      return { kind: 'shutdown', reason: reasons.get(answer.shutdownReason) ?? 'UNKNOWN' };
    default:
      return { kind: 'nothing' };
  }
}

function onRunJob(state: AgentState, jobId: string): Reaction {
  if (jobId === '') return { kind: 'ignore', why: 'it names no job' };
  if (state.kind === 'waiting-for-jobs') return { kind: 'start', jobId };
  if (state.jobId === jobId) return { kind: 'ignore', why: 'the agent has this job already' };
  return { kind: 'ignore', why: `the agent has another job, ${state.jobId}` };
}

function onStopJob(state: AgentState, jobId: string): Reaction {
  if (state.kind === 'waiting-for-jobs') return { kind: 'ignore', why: 'the agent has no job' };
  // An order without an id can only mean the one job there is.
  if (jobId !== '' && state.jobId !== jobId) {
    return { kind: 'ignore', why: `the agent has another job, ${state.jobId}` };
  }
  // The server had not heard of it yet, or says it again until it has.
  if (state.kind === 'finished-job' || state.kind === 'stopping-job') return { kind: 'nothing' };
  return { kind: 'stop' };
}
