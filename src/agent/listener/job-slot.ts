import { type Clock, messageOf } from '../../lib/index.ts';
import type { JobRequest, JobResult } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { failureFields, retry } from './retry.ts';
import type { AgentApi, StartJob } from './types.ts';

/** Of the request for a job (spec CI 2.4). */
const fetchAttempts = 10;
const fetchWaitMs = 3000;

export interface JobSlotOptions {
  api: Pick<AgentApi, 'getJob'>;
  startJob: StartJob;
  clock: Clock;
  logger: Logger;
  /** The request is there; the job begins. */
  onRunning: () => void;
}

/** The one job of the agent, from the order to run it to its result. */
export class JobSlot {
  readonly id: string;
  /** Never rejects: a job that cannot be fetched or built has failed. */
  readonly result: Promise<JobResult>;
  readonly #stop = new AbortController();
  readonly #abandon = new AbortController();
  readonly #options: JobSlotOptions;

  constructor(id: string, options: JobSlotOptions) {
    this.id = id;
    this.#options = options;
    this.result = this.#run();
  }

  /** Ends the job's tree; its log is still delivered. */
  stop(): void {
    this.#stop.abort();
  }

  /** The agent cannot wait for the rest of the log. */
  abandon(): void {
    this.#abandon.abort();
  }

  async #run(): Promise<JobResult> {
    const { startJob, logger, onRunning } = this.#options;
    const request = await this.#fetch();
    if (!request) return this.#stop.signal.aborted ? 'stopped' : 'failed';
    onRunning();
    try {
      return await startJob(request, { stop: this.#stop.signal, abandon: this.#abandon.signal });
    } catch (error: unknown) {
      logger.error('The job cannot be run', { job: this.id, error: messageOf(error) });
      return 'failed';
    }
  }

  async #fetch(): Promise<JobRequest | undefined> {
    const { api, clock, logger } = this.#options;
    const { signal } = this.#stop;
    try {
      const attempts = {
        attempts: fetchAttempts,
        waitMs: fetchWaitMs,
        what: 'request for the job',
        clock,
        signal,
        logger,
      };
      return await retry(attempts, () => api.getJob(this.id, signal));
    } catch (error: unknown) {
      if (!signal.aborted) logger.error('The job cannot be fetched', { job: this.id, ...failureFields(error) });
      return undefined;
    }
  }
}
