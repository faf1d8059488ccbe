import type { Clock } from '../../../lib/index.ts';
import { agentStates, type AgentStateName, type JobResult } from '../../../protocol/ci/index.ts';
import { decide, type SyncDecision } from './decide.ts';
import type { HubAgent, HubEvent, HubJob, HubState } from './types.ts';

export interface SyncReported {
  state: AgentStateName;
  jobId: string;
  jobResult: string;
  interruptedAt: number;
}

/** What an agent was told last, and has got: what its next report is held against. */
interface Told {
  atMs: number;
  /** 0 when it was told nothing. */
  nextSyncAfterMs: number;
  action: SyncDecision['action'];
  reported: SyncReported;
}

export interface SyncDeskOptions {
  state: HubState;
  clock: Clock;
  nextSyncAfterMs: readonly [number, number] | undefined;
  intervalSlackMs: number;
  tell: (event: HubEvent) => void;
}

/** Takes the reports of agents and answers them (spec CI 2.3, 2.11). */
export class SyncDesk {
  readonly #options: SyncDeskOptions;
  /** By token hash. Not part of the state: who starts anew does not know what was delivered. */
  readonly #told = new Map<string, Told>();

  constructor(options: SyncDeskOptions) {
    this.#options = options;
  }

  /** Decides; `violations` are of the order of reports and of their times. */
  take(agent: HubAgent, reported: SyncReported): { answer: object; violations: string[]; delivered: () => void } {
    const nowMs = this.#options.clock.now();
    const job = this.#options.state.jobs.find(({ id }) => id === reported.jobId);
    const violations = this.#compare(agent, reported, job, nowMs);
    // Whatever comes of this one: only what is delivered counts for the next.
    this.#told.delete(agent.tokenHash);
    this.#note(agent, reported, job, nowMs);
    const decision = decide({
      state: reported.state,
      disabled: agent.disabled,
      interruptedForMs: agent.interruptedAt === 0 ? undefined : nowMs - agent.interruptedAt * 1000,
      gracePeriodMs: agent.registration.interruptionGracePeriod * 1000,
      singleJob: agent.registration.singleJob,
      idleForMs: nowMs - agent.idleSinceMs,
      idleTimeoutMs: agent.registration.idleTimeout * 1000,
      stopRequested: job?.stopRequested ?? false,
      assign: () => this.#assign(agent),
    });
    const nextSyncAfterMs = this.#nextSyncAfter(reported.state, decision);
    if (decision.action === 'shutdown') {
      this.#options.tell({ kind: 'shutdown', agent: agent.name, reason: decision.reason });
    }
    return {
      answer: wireOf(decision, reported, nextSyncAfterMs),
      violations,
      delivered: () => {
        const { action } = decision;
        this.#told.set(agent.tokenHash, { atMs: this.#options.clock.now(), nextSyncAfterMs, action, reported });
      },
    };
  }

  #note(agent: HubAgent, reported: SyncReported, job: HubJob | undefined, nowMs: number): void {
    const { tell } = this.#options;
    const { state, jobId } = reported;
    if (agent.state !== state) tell({ kind: 'state', agent: agent.name, jobId, state });
    if (state !== 'waiting-for-jobs' && state !== 'finished-job') agent.idleSinceMs = nowMs;
    agent.state = state;
    agent.jobId = jobId;
    agent.interruptedAt = reported.interruptedAt;
    if (state !== 'finished-job' || job?.state !== 'assigned' || !isResult(reported.jobResult)) return;
    job.state = 'finished';
    job.result = reported.jobResult;
    agent.idleSinceMs = nowMs;
    tell({ kind: 'finished', agent: agent.name, jobId, result: reported.jobResult });
  }

  #compare(agent: HubAgent, reported: SyncReported, job: HubJob | undefined, nowMs: number): string[] {
    const { state } = reported;
    const violations: string[] = [];
    if (state !== 'waiting-for-jobs' && job?.agent !== agent.name)
      violations.push(`${state} of a job that it was not given`);
    if (state === 'stopping-job' && job && !job.stopRequested && !agent.disabled && agent.interruptedAt === 0) {
      violations.push('stopping-job without an order');
    }
    const told = this.#told.get(agent.tokenHash);
    if (!told) return violations;
    const before = told.reported;
    if (told.action === 'shutdown') violations.push('a sync after the order to shut down');
    if (rank(state) < rank(before.state) && told.action !== 'wait-for-jobs') {
      violations.push(`${state} after ${before.state}`);
    }
    if (told.action === 'wait-for-jobs' && state !== 'waiting-for-jobs')
      violations.push(`${state} after wait-for-jobs`);
    if (told.action === 'run-job' && state === 'waiting-for-jobs') violations.push('waiting after run-job');
    const forced =
      (state === 'finished-job' && before.state !== state) || reported.interruptedAt !== before.interruptedAt;
    const earlyMs = told.atMs + told.nextSyncAfterMs - nowMs;
    if (!forced && told.nextSyncAfterMs > 0 && earlyMs > this.#options.intervalSlackMs) {
      violations.push(`it came ${Math.round(earlyMs)} ms too early`);
    }
    return violations;
  }

  /** The job that it has already (the answer may have been lost), the one it asked for, or the next of the queue. */
  #assign(agent: HubAgent): string | undefined {
    const { state, tell } = this.#options;
    const own = state.jobs.find((job) => job.agent === agent.name && job.state === 'assigned');
    if (own) return own.id;
    const wanted = agent.registration.jobId;
    const next = state.jobs.find((job) => job.state === 'queued' && (wanted === '' || job.id === wanted));
    if (!next) return undefined;
    next.state = 'assigned';
    next.agent = agent.name;
    tell({ kind: 'assigned', agent: agent.name, jobId: next.id });
    return next.id;
  }

  #nextSyncAfter(state: AgentStateName, { action }: SyncDecision): number {
    const { nextSyncAfterMs, clock } = this.#options;
    if (!nextSyncAfterMs) return 0;
    const [from, to] = nextSyncAfterMs;
    const chosen = Math.round(from + (to - from) * clock.random());
    return action === 'continue' && state === 'running-job' ? 2 * chosen : chosen;
  }
}

function rank(state: AgentStateName): number {
  return agentStates.indexOf(state);
}

function isResult(word: string): word is JobResult {
  return word === 'passed' || word === 'failed' || word === 'stopped';
}

function wireOf(decision: SyncDecision, { jobId }: SyncReported, nextSyncAfterMs: number): object {
  return {
    action: decision.action,
    ...(decision.action === 'run-job' ? { job_id: decision.jobId } : {}),
    ...(decision.action === 'stop-job' ? { job_id: jobId } : {}),
    ...(decision.action === 'shutdown' ? { shutdown_reason: decision.reason } : {}),
    ...(nextSyncAfterMs > 0 ? { next_sync_after: nextSyncAfterMs } : {}),
  };
}
