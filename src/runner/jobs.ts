import { JobDirectory, type Seal } from '../execution/index.ts';
import { codeOf, messageOf, shortageHint, UserError } from '../lib/index.ts';
import type { AccessKey, JobData } from '../protocol/ui/index.ts';
import type { JobContext } from './job-context.ts';
import { Job } from './job.ts';
import { Slots } from './slots.ts';

/** How many finished ids are remembered; no answer is that old. */
const rememberedIds = 1000;

/** All that can be said of a task whose record is damaged. */
const lostText =
  'Task lost: what the runner had noted of it cannot be read any more. What is left of it is on the machine of the runner, see its log.';

export interface JobsOptions extends JobContext {
  maxParallelTasks: number;
  /** True while an answer is awaited that the server may have made before this moment. */
  answerPending: () => boolean;
}

/** The tasks of this runner, from arrival to the acknowledged end. A task is known by its id and runs once. */
export class Jobs {
  readonly #options: JobsOptions;
  readonly #slots: Slots;
  readonly #known = new Map<number, Job>();
  /** Ids that were given up while an answer was under way: it may still offer them as new. */
  readonly #justGone = new Set<number>();
  /** The latest ids whose final status the server has: whoever offers them again is behind. */
  readonly #finished = new Set<number>();
  #executed = 0;
  #closed = false;

  constructor(options: JobsOptions) {
    this.#options = { ...options };
    this.#slots = new Slots(options.maxParallelTasks);
  }

  /** Tasks that were given a slot since the start. */
  get executed(): number {
    return this.#executed;
  }

  get size(): number {
    return this.#known.size;
  }

  get running(): number {
    return this.#slots.running;
  }

  all(): Iterable<Job> {
    return this.#known.values();
  }

  get(id: number): Job | undefined {
    return this.#known.get(id);
  }

  /**
   * Takes up what an earlier process left behind: results are delivered, tasks go on. Returns the ids of both. What cannot
   * be read is kept for people to look at, and reported as lost. Throws UserError when it is the machine that does not let us read.
   */
  recover(): { delivering: number[]; resuming: number[] } {
    const { jobsRoot } = this.#options;
    const delivering: number[] = [];
    const resuming: number[] = [];
    for (const id of JobDirectory.list(jobsRoot)) {
      const { job, resume } = this.#recoverOne(id) ?? { job: Job.lost(id, this.#options, lostText), resume: undefined };
      this.#known.set(id, job);
      (resume ? resuming : delivering).push(id);
      if (resume) this.#slots.addRunning(resume);
    }
    // A one-off runner that was killed has had its tasks.
    this.#executed += resuming.length + delivering.length;
    return { delivering, resuming };
  }

  /** Undefined when its directory is damaged: that must not keep the others, and the runner, from going on. */
  #recoverOne(id: number): ReturnType<typeof Job.recover> {
    const { jobsRoot, logger } = this.#options;
    let cause = 'there is no readable record in it';
    try {
      const recovered = Job.recover(id, this.#options);
      if (recovered) return recovered;
    } catch (error: unknown) {
      refuseToStart(id, error);
      cause = messageOf(error);
    }
    try {
      const kept = JobDirectory.setAside(jobsRoot, id);
      logger.error('A job directory is damaged; it is kept, and the task is reported as lost', {
        task_id: id,
        kept,
        cause,
      });
    } catch (error: unknown) {
      logger.error('A job directory is damaged and was left alone', { task_id: id, cause, error: messageOf(error) });
    }
    return undefined;
  }

  /** Uses the new token's seal, for what is there and what comes, and masks the token. */
  renewToken(seal: Seal, token: string): void {
    this.#options.seal = seal;
    this.#options.ownSecrets = [...this.#options.ownSecrets, token];
    for (const job of this.#known.values()) job.renewToken(seal, token);
  }

  /** Runs a task as soon as a slot is free. False when it is known already, or nothing is taken any more. */
  add(data: JobData, keys: ReadonlyMap<number, AccessKey>): boolean {
    const { id } = data.task;
    if (this.#closed || this.#known.has(id) || this.#finished.has(id) || this.#justGone.has(id)) return false;
    const job = new Job(id, this.#options);
    this.#known.set(id, job);
    this.#options.logger.info('Task enqueued', { task_id: id });
    this.#slots.add(async () => {
      if (job.state !== 'queued') return;
      this.#options.logger.info('Task dequeued', { task_id: id });
      this.#executed += 1;
      await job.run(data, keys);
    });
    return true;
  }

  /** The answer that was under way has been handled. */
  answerHandled(): void {
    this.#justGone.clear();
  }

  /** Forgets a task whose final status the server has, and removes its directory. */
  async removeFinished(job: Job): Promise<void> {
    this.#finished.add(job.id);
    for (const id of this.#finished) {
      if (this.#finished.size <= rememberedIds) break;
      this.#finished.delete(id);
    }
    await this.#remove(job);
  }

  /** Forgets a task that the server has given up; it may come again. */
  async removeGivenUp(job: Job): Promise<void> {
    if (this.#options.answerPending()) this.#justGone.add(job.id);
    await this.#remove(job);
  }

  async #remove(job: Job): Promise<void> {
    this.#known.delete(job.id);
    await job.discard();
    this.#options.logger.info('Task removed from running list', { task_id: job.id });
  }

  /** Takes nothing new and forgets what has no slot: the server offers it again to the next runner that asks. */
  drain(): void {
    this.#closed = true;
    this.#slots.clear();
    for (const job of this.#known.values()) if (job.state === 'queued') this.#known.delete(job.id);
  }

  /** Ends every task. */
  stopAll(): void {
    for (const job of this.#known.values()) job.stop();
  }

  /** Resolves when no task runs. */
  async idle(): Promise<void> {
    await this.#slots.idle();
  }

  /**
   * Forgets the tasks without touching them: not even their directories are closed, because what runs in this process until
   * it ends may still write its last event.
   */
  abandon(): void {
    this.#closed = true;
    this.#slots.clear();
    this.#known.clear();
  }

  /** Closes what is left open, leaving unacknowledged results on disk. Returns how many there are. */
  detach(): number {
    const left = [...this.#known.values()].filter((job) => job.state !== 'queued');
    for (const job of left) job.detach();
    return left.length;
  }
}

/** Throws when the task is not damaged but cannot be read now: with more room, or as another user, it goes on. */
function refuseToStart(id: number, error: unknown): void {
  const code = codeOf(error);
  const hint =
    code === 'EACCES' || code === 'EPERM' ? 'Start the runner as the user that it ran as before.' : shortageHint(code);
  if (hint === undefined) return;
  throw new UserError(`what is noted of task ${id} cannot be read (${messageOf(error)})`, { hint, cause: error });
}
