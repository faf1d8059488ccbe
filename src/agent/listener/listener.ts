import { assertNever, RemoteError } from '../../lib/index.ts';
import type { JobResult, SyncAnswer } from '../../protocol/ci/index.ts';
import { JobSlot } from './job-slot.ts';
import { syncRequestText, syncResponseText, waitingText } from './log-texts.ts';
import { failureFields } from './retry.ts';
import { type AgentState, react, reportOf, type ShutdownReason } from './state.ts';
import { isRefusal, SyncHealth } from './sync-health.ts';
import type { ListenerOptions } from './types.ts';
import { Wake } from './wake.ts';

/** The agent's own choice of an interval (spec CI 2.8), milliseconds: random, so that a fleet does not sync in lockstep. */
const leastIntervalMs = 3000;
const mostIntervalMs = 6000;
/** No timer waits longer than 24 days, and no server means that. */
const longestIntervalMs = 3_600_000;

/** What ends the talk with the server. */
export type Ending = { kind: 'shutdown'; reason: ShutdownReason } | { kind: 'quit' };

/**
 * Talks with the server while the agent is registered: reports its state, does what the answer says, one sync at a time. The states are
 * those of `AgentState`. A job that ends and a signal are reported at once, or as soon as the sync under way is answered.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #wake = new Wake();
  #state: AgentState = { kind: 'waiting-for-jobs' };
  #slot: JobSlot | undefined;
  /** Unix seconds; 0 before the first signal, and then in every sync. */
  #interruptedAt = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  get state(): AgentState {
    return this.#state;
  }

  /** The job that has not finished yet. */
  get runningJob(): JobSlot | undefined {
    return this.#slot;
  }

  /** Syncs until the server orders the end, or there is no use in going on. */
  async talk(): Promise<Ending> {
    const { clock, signals, logger } = this.#options;
    const health = new SyncHealth(clock.now());
    const onInterrupted = (): void => this.#interrupt();
    if (signals.interrupted.aborted) onInterrupted();
    signals.interrupted.addEventListener('abort', onInterrupted, { once: true });
    try {
      while (!signals.quit.aborted) {
        const next = await this.#sync(health);
        if (typeof next !== 'number') return next;
        logger.debug(waitingText(next));
        await this.#wake.wait(next, clock, signals.quit);
      }
      return { kind: 'quit' };
    } finally {
      signals.interrupted.removeEventListener('abort', onInterrupted);
    }
  }

  #interrupt(): void {
    this.#interruptedAt = Math.max(1, Math.floor(this.#options.clock.now() / 1000));
    this.#wake.call();
  }

  /** One sync: milliseconds to the next, or the end. */
  async #sync(health: SyncHealth): Promise<number | Ending> {
    const { api, clock, signals, logger } = this.#options;
    const report = reportOf(this.#state, this.#interruptedAt);
    logger.info(syncRequestText(report));
    let answer: SyncAnswer;
    try {
      answer = await api.sync(report, signals.quit);
    } catch (error: unknown) {
      if (signals.quit.aborted) return { kind: 'quit' };
      if (!(error instanceof RemoteError)) throw error;
      return this.#onFailedSync(error, health);
    }
    logger.info(syncResponseText(answer));
    health.succeeded(clock.now());
    const reaction = react(this.#state, report.state, answer);
    switch (reaction.kind) {
      case 'shutdown':
        return reaction;
      case 'start':
        this.#startJob(reaction.jobId);
        break;
      case 'stop':
        this.#stopJob();
        break;
      case 'wait':
        this.#state = { kind: 'waiting-for-jobs' };
        break;
      case 'ignore':
        logger.warn('An order of the server was ignored', {
          action: answer.action,
          job: answer.jobId,
          why: reaction.why,
        });
        break;
      case 'nothing':
        break;
      default:
        return assertNever(reaction);
    }
    return answer.nextSyncAfterMs > 0 ? Math.min(answer.nextSyncAfterMs, longestIntervalMs) : this.#ownInterval();
  }

  #onFailedSync(error: RemoteError, health: SyncHealth): number | Ending {
    const { clock, logger } = this.#options;
    const forgotten = health.isForgotten;
    const isHopeless = health.failed(error, { nowMs: clock.now(), isBusy: this.#slot !== undefined });
    logger.warn('The sync has failed', failureFields(error));
    if (health.isForgotten && !forgotten) {
      logger.error('The server does not know this agent any more', {
        what_now: this.#slot ? 'the job goes on to its end, then the agent shuts down' : 'the agent shuts down',
      });
    }
    if (!isHopeless) return this.#ownInterval();
    if (!isRefusal(error)) logger.error('The server could not be reached for 10 minutes, giving up');
    return { kind: 'shutdown', reason: 'UNABLE_TO_SYNC' };
  }

  #ownInterval(): number {
    const span = mostIntervalMs - leastIntervalMs;
    return leastIntervalMs + Math.floor(span * this.#options.clock.random());
  }

  #startJob(jobId: string): void {
    const { api, startJob, clock, logger } = this.#options;
    this.#state = { kind: 'starting-job', jobId };
    const onRunning = (): void => {
      if (this.#state.kind === 'starting-job') this.#state = { kind: 'running-job', jobId };
    };
    const slot = new JobSlot(jobId, { api, startJob, clock, logger, onRunning });
    this.#slot = slot;
    void slot.result.then((result) => this.#finish(jobId, result));
  }

  #stopJob(): void {
    if (!this.#slot) return;
    this.#state = { kind: 'stopping-job', jobId: this.#slot.id };
    this.#slot.stop();
  }

  #finish(jobId: string, result: JobResult): void {
    this.#slot = undefined;
    this.#state = { kind: 'finished-job', jobId, result };
    this.#wake.call();
  }
}
