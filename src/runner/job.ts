import { JobDirectory, killCaptures, type Seal } from '../execution/index.ts';
import { codeOf, messageOf, shortageHint, UserError } from '../lib/index.ts';
import { createMasker, type LogBatch } from '../logs/index.ts';
import { isFinished, type AccessKey, type JobData, type ProgressBody, type TaskStatus } from '../protocol/ui/index.ts';
import type { Commit, Decision, TaskHost, TaskOutcome } from '../tasks/index.ts';
import { maskedLogger, type Logger } from '../telemetry/index.ts';
import { Confirmation } from './confirmation.ts';
import { jobFormat, readEarlierJob, type EarlierJob, type JobContent } from './earlier-job.ts';
import type { Beginning, ExecutorKind, TaskExecutor } from './executors/index.ts';
import type { JobContext } from './job-context.ts';
import { LooseLines } from './loose-lines.ts';
import { acceptsServerStatus } from './status-rules.ts';
import { TaskFacts } from './task-facts.ts';
import { TaskLog, type ReportLimits } from './task-log.ts';
import { TaskWatch } from './task-watch.ts';

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
  log: TaskLog;
  /** The executor's, watched. */
  host: TaskHost;
  executor: TaskExecutor;
  watch: TaskWatch;
}

export class Job {
  readonly id: number;
  readonly #context: JobContext;
  /** Knows the secrets of the task. */
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  readonly #confirmation: Confirmation;
  readonly #facts: TaskFacts;
  readonly #looseLines = new LooseLines();
  #state: JobState = 'queued';
  #attached: Attached | undefined;
  #acknowledged: { status: TaskStatus | undefined; commit: Commit | undefined } = {
    status: undefined,
    commit: undefined,
  };
  #onGivenUp: (() => void) | undefined;
  /** Nothing of the log is sent: it is not known what to mask in it, and the task may still write to it. */
  #withholds = false;
  /** The task has come to its end: nothing can stop it any more. */
  #isOver = false;
  /** Why the task was ended for its time, when it was. */
  #timedOut: string | undefined;

  constructor(id: number, context: JobContext) {
    this.id = id;
    this.#context = context;
    this.#logger = maskedLogger(context.logger, (text) => this.#attached?.log.mask(text) ?? text);
    this.#facts = new TaskFacts({ taskId: id, logger: this.#logger, onNews: () => context.onNews(false) });
    this.#confirmation = new Confirmation(this.#stop.signal, () => this.#facts.setStatus('waiting_confirmation'));
  }

  /**
   * Takes up what an earlier process left: the log that the server does not have yet, the final status when there is one,
   * and else the task itself, which goes on with `resume`. Undefined when the directory has no readable record.
   */
  static recover(id: number, context: JobContext): { job: Job; resume: (() => Promise<void>) | undefined } | undefined {
    const earlier = readEarlierJob(context.jobsRoot, id, context.seal);
    if (!earlier) return undefined;
    const job = new Job(id, context);
    // What these print is read by nobody any more; their steps are run again.
    killCaptures(earlier.directory.tag);
    job.#takeUp(earlier);
    const { next } = earlier;
    if (next.kind === 'resume') {
      if (next.isStopping) job.#stop.abort();
      return { job, resume: () => job.#perform(next.job, next.keys) };
    }
    if (next.kind === 'end') return { job, resume: () => job.#endEarlier(next.outcome) };
    void job.#attached?.executor.end();
    void job.#attached?.executor.cleanUp();
    job.#finish(earlier.status);
    return { job, resume: undefined };
  }

  /** A task of which nothing is known but that it was here: it is over, with `line` as all of its log. */
  static lost(id: number, context: JobContext, line: string): Job {
    const job = new Job(id, context);
    job.#state = 'ended';
    job.#facts.setUnnoted('error');
    job.#looseLines.set([line], context.clock.now());
    return job;
  }

  /** Names what runs of the task; undefined before its turn. */
  get tag(): string | undefined {
    return this.#attached?.directory.tag;
  }

  get state(): JobState {
    return this.#state;
  }

  get status(): TaskStatus {
    return this.#facts.status;
  }

  /**
   * Runs the task from beginning to end, and then removes what it has left elsewhere, while its result is on its way to the server already.
   * Never rejects.
   */
  async run(data: JobData, keys: ReadonlyMap<number, AccessKey>): Promise<void> {
    if (this.#state !== 'queued') return;
    this.#state = 'active';
    this.#logger.info('Task started', { task_id: this.id });
    try {
      const content: JobContent = { format: jobFormat, job: data, keys: [...keys] };
      const { executors, jobsRoot, seal } = this.#context;
      const directory = await JobDirectory.create(jobsRoot, this.id, JSON.stringify(content), seal);
      executors.chosen.note(this.id, directory);
      this.#attach(directory, executors.chosen.kind, 'new');
      this.#facts.setStatus('running');
      await this.#perform(data, keys);
    } catch (error: unknown) {
      await this.#fail(error);
    }
  }

  /** Seals the job's key with the new token's seal, too, and masks the token from now on. */
  renewToken(seal: Seal, token: string): void {
    this.#attached?.log.addOwnSecret(token);
    try {
      this.#attached?.directory.reseal(seal);
    } catch (error: unknown) {
      this.#logger.error('Cannot make the record of the task readable with the new token', {
        task_id: this.id,
        error: messageOf(error),
      });
    }
  }

  /** Ends the task: its processes get the stop ladder; one that waits for a slot ends at once. */
  stop(): void {
    if (this.#state === 'queued') {
      this.#facts.setUnnoted('stopped');
      this.#state = 'ended';
      this.#context.onNews(true);
      return;
    }
    if (!this.#isStoppable()) return;
    this.#facts.setStatus('stopping');
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
    if (!acceptsServerStatus(this.status, status)) return;
    if (status === 'stopping' || isFinished(status)) this.stop();
    else if (this.#state === 'active') {
      this.#facts.setStatus(status);
      if (status === 'confirmed' || status === 'rejected') this.#confirmation.decide(status);
    }
  }

  /**
   * Writes the next part of the report into `body`, within `limits`; undefined, and nothing written, when there is
   * nothing new and `always` is not set. New is what goes beyond `after`, a report on its way, or else beyond what the
   * server has acknowledged.
   */
  report(body: ProgressBody, limits: ReportLimits, always: boolean, after?: PendingReport): PendingReport | undefined {
    if (this.#state === 'queued' || this.#state === 'gone' || this.#onGivenUp) return undefined;
    const ended = this.#state === 'ended';
    const { commit, liveStatus, outputs } = this.#facts;
    body.openJob(this.id);
    const batch = this.#withholds ? undefined : this.#attached?.log.read(body, limits, ended, after?.batch);
    const more = batch?.more ?? false;
    const status = ended && more ? liveStatus : this.status;
    const known = after ?? this.#acknowledged;
    const news = (batch?.count ?? 0) > 0 || status !== known.status || commit !== known.commit;
    if (!news && !always) {
      body.dropJob();
      return undefined;
    }
    if (ended && !more) {
      body.writer.text(this.#looseLines.records(this.#maskLine(), batch?.count ?? 0, batch?.endTime.ms ?? 0));
    }
    body.closeJob({ status, commit, outputs: status === 'success' ? outputs : undefined });
    return { job: this, status, commit, batch, more };
  }

  /** The server has accepted `pending`; true when that was the last report of this job. */
  acknowledge(pending: PendingReport): boolean {
    const { batch, commit, status } = pending;
    this.#acknowledged = { status, commit };
    if (batch) this.#attached?.log.commit(batch);
    return isFinished(status);
  }

  /** Removes the directory. The job is over for this runner. */
  async discard(): Promise<void> {
    this.#state = 'gone';
    this.#attached?.log.stopFollowing();
    await this.#attached?.directory.remove();
    this.#attached = undefined;
  }

  /** Lets go of the directory and leaves it for the next process. */
  detach(): void {
    this.#attached?.log.stopFollowing();
    this.#attached?.directory.close();
    this.#attached = undefined;
    this.#state = 'gone';
  }

  #takeUp(earlier: EarlierJob): void {
    const { directory, executor, next, question, secrets } = earlier;
    this.#state = 'active';
    if (question !== undefined) this.#confirmation.resume(question);
    this.#facts.restore(earlier);
    this.#withholds = secrets === undefined;
    const { chosen } = this.#context.executors;
    if (!executor) chosen.note(this.id, directory);
    this.#attach(directory, executor?.kind ?? chosen.kind, next.kind === 'resume' ? 'play' : 'end', secrets);
    if (next.kind === 'deliver') this.#endWithholding();
  }

  #attach(directory: JobDirectory, kind: ExecutorKind, beginning: Beginning, secrets: readonly string[] = []): void {
    const { clock, executors, onNews, timeOuts } = this.#context;
    const log = new TaskLog(
      { ...this.#context, logger: this.#logger, taskId: this.id, directory, onGrowth: () => onNews(false) },
      secrets,
    );
    const watch = new TaskWatch({
      ...timeOuts,
      clock,
      startedAt: directory.createdAt,
      lastOutputAt: () => directory.logTime,
      onTimeOut: (cause) => this.#timeOut(cause),
    });
    const executor = executors.of(kind).attach({
      taskId: this.id,
      directory,
      beginning,
      signal: this.#stop.signal,
      addSecret: (value) => log.addSecret(value),
      setStatus: (status) => this.#setTaskStatus(status),
      waitForDecision: (): Promise<Decision> => this.#confirmation.wait(),
      setCommit: (commit) => this.#facts.setCommit(commit),
    });
    this.#facts.noteIn(directory);
    this.#attached = { directory, log, executor, host: watch.watched(executor.host), watch };
    log.follow();
  }

  #isStoppable(): boolean {
    return this.#state === 'active' && !this.#isOver && !this.#stop.signal.aborted;
  }

  /** Ends the task like `stop`, but as failed: nobody has asked for it. Whichever comes first counts. */
  #timeOut(cause: string): void {
    if (!this.#isStoppable()) return;
    this.#timedOut = cause;
    this.#logger.warn('Task timed out', { task_id: this.id, cause });
    this.#stop.abort();
  }

  /** Plays the task, for the first time or again, to its end. Never rejects. */
  async #perform(data: JobData, keys: ReadonlyMap<number, AccessKey>): Promise<void> {
    try {
      if (!this.#attached) return;
      const { executor, host, watch } = this.#attached;
      watch.start();
      await this.#conclude(await this.#context.execute(data, keys, host, executor.openPlace));
    } catch (error: unknown) {
      await this.#fail(error);
    }
  }

  async #fail(error: unknown): Promise<void> {
    this.#logger.error('Task failed inside the runner', { task_id: this.id, error: messageOf(error) });
    const hint = error instanceof UserError ? error.hint : shortageHint(codeOf(error));
    const reason = `The runner could not run this task: ${messageOf(error)}${hint === undefined ? '' : `. ${hint}`}`;
    await this.#conclude({ kind: 'failed', reason });
  }

  /** Ends what an earlier process began and cannot go on. */
  async #endEarlier(outcome: TaskOutcome): Promise<void> {
    try {
      await this.#attached?.executor.stopEarlier();
      await this.#conclude(outcome);
    } catch (error: unknown) {
      await this.#fail(error);
    }
  }

  /** Nothing of the task runs any more: what is added to the log from now on may be sent. */
  #endWithholding(): void {
    if (!this.#withholds || !this.#attached) return;
    this.#attached.log.leaveOut();
    this.#withholds = false;
  }

  async #conclude(outcome: TaskOutcome): Promise<void> {
    this.#isOver = true;
    this.#attached?.watch.stop();
    const { reason, status } = this.#resultOf(outcome);
    const executor = this.#attached?.executor;
    const hits = (await executor?.end()) ?? [];
    this.#endWithholding();
    const line = reason === undefined ? undefined : [reason, ...hits].join(' ');
    // Nothing is recorded between the last lines and the status: that is how the next process knows them for the last.
    if (status === 'success' && outcome.kind === 'success' && outcome.outputs !== undefined) {
      this.#facts.setOutputs(outcome.outputs);
    }
    if (this.#attached) {
      for (const each of line === undefined ? hits : [line]) this.#appendLast(each);
    }
    const loose = this.#attached?.directory.takeWaitingLines() ?? (line === undefined ? [] : [line]);
    this.#looseLines.set(loose, this.#context.clock.now());
    this.#finish(status);
    this.#logger.info('Task finished', { task_id: this.id, status });
    await executor?.cleanUp();
  }

  #resultOf(outcome: TaskOutcome): { status: TaskStatus; reason: string | undefined } {
    if (this.#timedOut !== undefined) {
      const phase = this.#attached?.watch.phase ?? 'prepare';
      return { status: 'error', reason: `Task failed in ${phase}: ${this.#timedOut}` };
    }
    if (outcome.kind === 'stopped' || this.#stop.signal.aborted) {
      return { status: 'stopped', reason: 'Task was stopped.' };
    }
    return outcome.kind === 'success'
      ? { status: 'success', reason: undefined }
      : { status: 'error', reason: outcome.reason };
  }

  #appendLast(line: string): void {
    try {
      this.#attached?.executor.sayLast(line);
    } catch (error: unknown) {
      this.#logger.error('Cannot write to the task log', { task_id: this.id, error: messageOf(error) });
    }
  }

  #finish(status: TaskStatus): void {
    this.#attached?.log.stopFollowing();
    this.#state = 'ended';
    this.#facts.finish(status);
    if (this.#onGivenUp) this.#onGivenUp();
    else this.#context.onNews(true);
  }

  /** What the task itself says; that it is to stop comes before that. */
  #setTaskStatus(status: TaskStatus): void {
    if (this.#stop.signal.aborted) return;
    this.#confirmation.withdraw();
    this.#facts.setStatus(status);
  }

  /** For lines that never were in the log: without one, only the runner's own secrets are known. */
  #maskLine(): (line: string) => string {
    const { masking, ownSecrets } = this.#context;
    const log = this.#attached?.log;
    if (log) return (line) => log.mask(line);
    const masker = createMasker(ownSecrets, masking.minLength);
    return (line) => masker.mask(line);
  }
}
