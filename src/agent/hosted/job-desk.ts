import type { Readable } from 'node:stream';
import { messageOf } from '../../lib/index.ts';
import type { JobRequest } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { createCallbacks } from './callbacks.ts';
import type { BuildHostedJob, HostedJob } from './types.ts';

export interface JobDeskOptions {
  buildJob: BuildHostedJob;
  callbacksOf: (request: JobRequest) => ReturnType<typeof createCallbacks>;
  /** Aborted when nobody can be waited for any longer who might fetch the log. */
  giveUp: AbortSignal;
  logger: Logger;
}

/** What became of a request to run a job. */
export type Acceptance = 'accepted' | 'same-job' | 'other-job' | 'ending';

export type LogLookup = { kind: 'no-job' } | { kind: 'other-job' } | { kind: 'log'; lines: Readable };

interface Active {
  id: string;
  job: HostedJob;
  stop: AbortController;
  /** Aborted when the log was fetched by whom it is for. */
  archived: AbortController;
  /** Never rejects. */
  over: Promise<void>;
}

/**
 * The one job of a process (spec CI 3.1, 3.4):
 *
 *     free ─accept▶ job received, for ever      free ─accept, cannot be built▶ free      any ─end▶ takes no job any more
 *
 * Requests are taken one after the other, so of many at once one wins.
 */
export class JobDesk {
  readonly #options: JobDeskOptions;
  #active: Active | undefined;
  #isEnding = false;
  /** Resolves when the requests before are decided. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: JobDeskOptions) {
    this.#options = options;
  }

  get hasJob(): boolean {
    return this.#active !== undefined;
  }

  /** Resolves when the job is built and about to run. Rejects when it cannot be built; then there is still no job. */
  accept(request: JobRequest): Promise<Acceptance> {
    const decided = this.#queue.then(() => this.#accept(request));
    this.#queue = decided.then(
      () => undefined,
      () => undefined,
    );
    return decided;
  }

  /** Ends the job if there is one. */
  stop(): void {
    this.#active?.stop.abort();
  }

  /** The log from a line on. Throws the system's error when it is gone. */
  readLog(jobId: string, startFrom: number): LogLookup {
    if (!this.#active) return { kind: 'no-job' };
    if (this.#active.id !== jobId) return { kind: 'other-job' };
    return { kind: 'log', lines: this.#active.job.readLog(startFrom) };
  }

  /** The log has reached whom it is for. */
  archived(): void {
    this.#active?.archived.abort();
  }

  /** Takes no job any more and ends the one that runs; resolves when its processes are gone and its teardown is over. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#queue;
    this.stop();
    await this.#active?.over;
  }

  async #accept(request: JobRequest): Promise<Acceptance> {
    if (this.#isEnding) return 'ending';
    if (this.#active) return this.#active.id === request.jobId ? 'same-job' : 'other-job';
    const { buildJob, callbacksOf, giveUp } = this.#options;
    const stop = new AbortController();
    const archived = new AbortController();
    const job = await buildJob(request, {
      ...callbacksOf(request),
      archived: () => untilArchived(archived.signal, giveUp),
    });
    this.#active = { id: request.jobId, job, stop, archived, over: this.#run(request.jobId, job, stop.signal) };
    return 'accepted';
  }

  async #run(id: string, job: HostedJob, stop: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    logger.info('The job begins', { job: id });
    try {
      const result = await job.run(stop);
      logger.info('The job is over', { job: id, result });
    } catch (error: unknown) {
      logger.error('The job ended without a result', { job: id, error: messageOf(error) });
    }
  }
}

function untilArchived(archived: AbortSignal, giveUp: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onGiveUp = (): void => reject(new Error('the agent ends before the log was fetched'));
    const onArchived = (): void => {
      giveUp.removeEventListener('abort', onGiveUp);
      resolve();
    };
    if (archived.aborted) return resolve();
    if (giveUp.aborted) return onGiveUp();
    archived.addEventListener('abort', onArchived, { once: true });
    giveUp.addEventListener('abort', onGiveUp, { once: true });
  });
}
