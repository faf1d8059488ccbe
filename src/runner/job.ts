import { createLocalHost } from '../executors/index.ts';
import { JobDirectory, sweepTagged, type Seal } from '../execution/index.ts';
import { messageOf, type Clock } from '../lib/index.ts';
import { createMasker, Follower, LogCursor, TimeMarks, type LogBatch, type Masker } from '../logs/index.ts';
import {
  isFinished,
  isTaskStatus,
  type AccessKey,
  type JobData,
  type ProgressBody,
  type TaskStatus,
} from '../protocol/ui/index.ts';
import type { Commit, Decision, TaskHost, TaskOutcome } from '../tasks/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { Confirmation } from './confirmation.ts';
import { acceptsServerStatus } from './status-rules.ts';

/** What a job needs from the runner that holds it. */
export interface JobContext {
  /** Directory of all job directories. */
  jobsRoot: string;
  seal: Seal;
  clock: Clock;
  logger: Logger;
  maxLineBytes: number;
  masking: { enabled: boolean; minLength: number };
  /** Secrets of the runner itself, masked in every log. */
  ownSecrets: readonly string[];
  /** There is something to report; `urgent` when somebody waits for it. */
  onNews: (urgent: boolean) => void;
  execute: (job: JobData, keys: ReadonlyMap<number, AccessKey>, host: TaskHost) => Promise<TaskOutcome>;
}

/**
 * One task on this runner.
 *
 *     queued ──slot──▶ active ──task over──▶ ended ──final status acknowledged──▶ gone
 *        └────stopped before its turn────────▶┘
 *
 * `queued`: known, nothing on disk, not reported. `active`: has a directory, a follower and processes; reported whenever
 * there is news. `ended`: nothing runs any more, the log is complete; its final status is reported only together with,
 * or after, the last of the log, because servers drop what comes later. `gone`: the directory is removed.
 */
export type JobState = 'queued' | 'active' | 'ended' | 'gone';

/** What a job has put into one progress report, and what accepting it means. */
export interface PendingReport {
  job: Job;
  status: TaskStatus;
  commit: Commit | undefined;
  batch: LogBatch | undefined;
  /** True when more log is ready than fitted. */
  more: boolean;
}

interface Attached {
  directory: JobDirectory;
  cursor: LogCursor;
  follower: Follower;
}

export class Job {
  readonly id: number;
  readonly #context: JobContext;
  readonly #stop = new AbortController();
  readonly #secrets = new Set<string>();
  readonly #confirmation: Confirmation;
  #state: JobState = 'queued';
  #status: TaskStatus = 'starting';
  /** The last status before the final one, reported while parts of the log are still to come. */
  #liveStatus: TaskStatus = 'running';
  #commit: Commit | undefined;
  /** Reported together with `success` only. */
  #outputs: string | undefined;
  #attached: Attached | undefined;
  #masker: Masker | undefined;
  /** A last line for a job that has no directory to write it to. */
  #looseLine: { text: string; ms: number } | undefined;
  #acknowledged: { status: TaskStatus | undefined; commit: Commit | undefined } = {
    status: undefined,
    commit: undefined,
  };
  #secretsStored = true;
  #onGivenUp: (() => void) | undefined;

  constructor(id: number, context: JobContext) {
    this.id = id;
    this.#context = context;
    this.#confirmation = new Confirmation(this.#stop.signal, () => this.#setStatus('waiting_confirmation'));
    for (const secret of context.ownSecrets) this.#secrets.add(secret);
  }

  /**
   * Takes up what an earlier process left: the log that the server does not have yet, and the final status. Whatever
   * still runs of it is ended. Undefined when the directory has no readable record.
   */
  static recover(id: number, context: JobContext): Job | undefined {
    const directory = JobDirectory.open(context.jobsRoot, id);
    if (!directory) return undefined;
    sweepTagged(directory.tag);
    const job = new Job(id, context);
    const secrets = directory.readSecrets(context.seal);
    const events = directory.events();
    for (const event of events) {
      if (event.type === 'commit') job.#commit = { hash: event.hash, message: event.message };
      if (event.type === 'outputs') job.#outputs = event.document;
    }
    const final = events.findLast(
      (event) => event.type === 'status' && isTaskStatus(event.status) && isFinished(event.status),
    );
    for (const secret of secrets ?? []) job.#secrets.add(secret);
    job.#attach(directory, secrets ? directory.readAcked() : directory.logSize);
    if (!secrets)
      directory.appendLine('Part of the log is withheld: the list of secrets to mask in it cannot be read.');
    if (final?.type !== 'status') {
      directory.appendLine('The runner ended while this task ran, and started again; the task was ended.');
    }
    job.#finish(final?.type === 'status' && isTaskStatus(final.status) ? final.status : 'error');
    return job;
  }

  get state(): JobState {
    return this.#state;
  }

  get status(): TaskStatus {
    return this.#status;
  }

  /** Runs the task from beginning to end. Never rejects. */
  async run(data: JobData, keys: ReadonlyMap<number, AccessKey>): Promise<void> {
    if (this.#state !== 'queued') return;
    const { logger } = this.#context;
    this.#state = 'active';
    logger.info('Task started', { task_id: this.id });
    try {
      const content = JSON.stringify({ version: 1, job: data, keys: [...keys] });
      const directory = await JobDirectory.create(this.#context.jobsRoot, this.id, content, this.#context.seal);
      this.#attach(directory, 0);
      this.#attached?.follower.start();
      this.#setStatus('running');
      const outcome = await this.#context.execute(data, keys, this.#host(directory));
      this.#conclude(outcome);
    } catch (error: unknown) {
      logger.error('Task failed inside the runner', { task_id: this.id, error: messageOf(error) });
      this.#conclude({ kind: 'failed', reason: `The runner could not run this task: ${messageOf(error)}` });
    }
  }

  /** Ends the task: its processes get the stop ladder; one that waits for a slot ends at once. */
  stop(): void {
    if (this.#state === 'queued') {
      this.#status = 'stopped';
      this.#state = 'ended';
      this.#context.onNews(true);
      return;
    }
    if (this.#state !== 'active' || this.#stop.signal.aborted) return;
    this.#setStatus('stopping');
    this.#stop.abort();
  }

  /** Ends a task that the server has given up, without a further report, and calls `onGone` when nothing of it runs. */
  giveUp(onGone: () => void): void {
    this.#onGivenUp = onGone;
    this.stop();
  }

  /** Takes over what the server says of the task (spec 3.5, step 3). */
  adopt(status: TaskStatus): void {
    this.#confirmation.seen(status);
    if (!acceptsServerStatus(this.#status, status)) return;
    if (status === 'stopping' || isFinished(status)) this.stop();
    else if (this.#state === 'active') {
      this.#setStatus(status);
      if (status === 'confirmed' || status === 'rejected') this.#confirmation.decide(status);
    }
  }

  /**
   * Writes the next part of the report into `body`, about `maxBytes` of log; undefined, and nothing written, when there
   * is nothing new and `always` is not set. New is what goes beyond `after`, a report on its way, or else beyond what the
   * server has acknowledged.
   */
  report(body: ProgressBody, maxBytes: number, always: boolean, after?: PendingReport): PendingReport | undefined {
    if (this.#state === 'queued' || this.#state === 'gone' || this.#onGivenUp) return undefined;
    const ended = this.#state === 'ended';
    const commit = this.#commit;
    body.openJob(this.id);
    const batch = this.#attached?.cursor.read(body.writer, maxBytes, ended, after?.batch);
    const more = batch?.more ?? false;
    const status = ended && more ? this.#liveStatus : this.#status;
    const known = after ?? this.#acknowledged;
    const news = (batch?.count ?? 0) > 0 || status !== known.status || commit !== known.commit;
    if (!news && !always) {
      body.dropJob();
      return undefined;
    }
    if (!batch) body.writer.text(this.#looseRecord());
    body.closeJob({ status, commit, outputs: status === 'success' ? this.#outputs : undefined });
    return { job: this, status, commit, batch, more };
  }

  /** The server has accepted `pending`; true when that was the last report of this job. */
  acknowledge(pending: PendingReport): boolean {
    const { batch, commit, status } = pending;
    this.#acknowledged = { status, commit };
    if (batch && batch.count > 0) {
      this.#attached?.cursor.commit(batch);
      this.#attached?.directory.writeAcked(batch.end);
    }
    return isFinished(status);
  }

  /** Removes the directory. The job is over for this runner. */
  async discard(): Promise<void> {
    this.#state = 'gone';
    this.#attached?.follower.stop();
    await this.#attached?.directory.remove();
    this.#attached = undefined;
  }

  /** Lets go of the directory and leaves it for the next process. */
  detach(): void {
    this.#attached?.follower.stop();
    this.#attached?.directory.close();
    this.#attached = undefined;
    this.#state = 'gone';
  }

  #attach(directory: JobDirectory, offset: number): void {
    const { clock, maxLineBytes, onNews } = this.#context;
    const marks = new TimeMarks();
    const fd = directory.logFd;
    const cursor = new LogCursor({
      fd,
      marks,
      maxLineBytes,
      offset,
      now: () => clock.now(),
      masker: () => this.#currentMasker(),
    });
    const follower = new Follower({ path: directory.logPath, fd, marks, clock, onGrowth: () => onNews(false) });
    this.#attached = { directory, cursor, follower };
  }

  #host(directory: JobDirectory): TaskHost {
    return createLocalHost({
      directory,
      signal: this.#stop.signal,
      addSecret: (value) => this.#addSecret(value, directory),
      setStatus: (status) => this.#setStatus(status),
      waitForDecision: (): Promise<Decision> => this.#confirmation.wait(),
      setCommit: (commit) => {
        this.#commit = commit;
        directory.record({ type: 'commit', ...commit });
        this.#context.onNews(false);
      },
    });
  }

  #addSecret(value: string, directory: JobDirectory): void {
    if (value === '' || this.#secrets.has(value)) return;
    this.#secrets.add(value);
    this.#masker = undefined;
    if (!this.#secretsStored) return;
    // Several arrive together; they are stored once, before anything asynchronous can print them.
    this.#secretsStored = false;
    queueMicrotask(() => {
      this.#secretsStored = true;
      try {
        if (this.#attached) directory.writeSecrets(this.#secrets, this.#context.seal);
      } catch (error: unknown) {
        this.#context.logger.error('Cannot store what to mask in the task log', {
          task_id: this.id,
          error: messageOf(error),
        });
      }
    });
  }

  #currentMasker(): Masker {
    const { enabled, minLength } = this.#context.masking;
    this.#masker ??= createMasker(enabled ? this.#secrets : this.#context.ownSecrets, minLength);
    return this.#masker;
  }

  #conclude(outcome: TaskOutcome): void {
    const stopped = outcome.kind === 'stopped' || this.#stop.signal.aborted;
    const status: TaskStatus = stopped ? 'stopped' : outcome.kind === 'success' ? 'success' : 'error';
    const line = stopped ? 'Task was stopped.' : outcome.kind === 'failed' ? outcome.reason : undefined;
    if (this.#attached) {
      sweepTagged(this.#attached.directory.tag);
      if (line !== undefined) this.#appendLast(line);
    } else if (line !== undefined) {
      this.#looseLine = { text: line, ms: this.#context.clock.now() };
    }
    if (status === 'success' && outcome.kind === 'success') this.#keepOutputs(outcome.outputs);
    this.#finish(status);
    this.#context.logger.info('Task finished', { task_id: this.id, status });
  }

  /** On disk before the final status is, so that a later process does not report one without the other. */
  #keepOutputs(document: string | undefined): void {
    if (document === undefined) return;
    this.#outputs = document;
    try {
      this.#attached?.directory.record({ type: 'outputs', document });
    } catch (error: unknown) {
      this.#context.logger.error('Cannot record the outputs of the task', {
        task_id: this.id,
        error: messageOf(error),
      });
    }
  }

  #appendLast(line: string): void {
    try {
      this.#attached?.directory.appendLine(line);
    } catch (error: unknown) {
      this.#context.logger.error('Cannot write to the task log', { task_id: this.id, error: messageOf(error) });
    }
  }

  #finish(status: TaskStatus): void {
    this.#attached?.follower.stop();
    this.#state = 'ended';
    this.#liveStatus = this.#status;
    this.#setStatus(status);
    if (this.#onGivenUp) this.#onGivenUp();
    else this.#context.onNews(true);
  }

  #setStatus(status: TaskStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    try {
      this.#attached?.directory.record({ type: 'status', status });
    } catch (error: unknown) {
      this.#context.logger.error('Cannot record the status of the task', { task_id: this.id, error: messageOf(error) });
    }
    this.#context.onNews(false);
  }

  #looseRecord(): string {
    if (!this.#looseLine) return '';
    const time = new Date(this.#looseLine.ms).toISOString();
    return JSON.stringify({ time, message: this.#currentMasker().mask(this.#looseLine.text) });
  }
}
