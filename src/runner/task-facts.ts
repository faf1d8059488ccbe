import type { JobDirectory, JobEvent } from '../execution/index.ts';
import { messageOf } from '../lib/index.ts';
import { isFinished, type TaskStatus } from '../protocol/ui/index.ts';
import type { Commit } from '../tasks/index.ts';
import type { Logger } from '../telemetry/index.ts';

export interface TaskFactsOptions {
  taskId: number;
  logger: Logger;
  /** Called after each change. */
  onNews: () => void;
}

export type KnownFacts = Pick<TaskFacts, 'status' | 'liveStatus' | 'commit' | 'outputs'>;

/** What the server is told of a task beside its log. A change is in the job directory, if there is one, before it is reported. */
export class TaskFacts {
  readonly #options: TaskFactsOptions;
  #directory: JobDirectory | undefined;
  #status: TaskStatus = 'starting';
  #liveStatus: TaskStatus = 'running';
  #commit: Commit | undefined;
  #outputs: string | undefined;

  constructor(options: TaskFactsOptions) {
    this.#options = options;
  }

  get status(): TaskStatus {
    return this.#status;
  }

  /** The last status before the final one, reported while parts of the log are still to come. */
  get liveStatus(): TaskStatus {
    return this.#liveStatus;
  }

  get commit(): Commit | undefined {
    return this.#commit;
  }

  /** Reported together with `success` only. */
  get outputs(): string | undefined {
    return this.#outputs;
  }

  /** Changes are noted there from now on. */
  noteIn(directory: JobDirectory | undefined): void {
    this.#directory = directory;
  }

  /** Takes over what an earlier process has noted. */
  restore({ commit, liveStatus, outputs, status }: KnownFacts): void {
    this.#status = status;
    this.#liveStatus = liveStatus;
    this.#commit = commit;
    this.#outputs = outputs;
  }

  /** The status of a task of which nothing is noted. */
  setUnnoted(status: TaskStatus): void {
    this.#status = status;
  }

  setStatus(status: TaskStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#note({ type: 'status', status }, 'Cannot record the status of the task');
    this.#options.onNews();
  }

  /** Sets the final status. */
  finish(status: TaskStatus): void {
    // One that an earlier process ended is finished already.
    if (!isFinished(this.#status)) this.#liveStatus = this.#status;
    this.setStatus(status);
  }

  setCommit(commit: Commit): void {
    if (commit.hash === this.#commit?.hash && commit.message === this.#commit.message) return;
    this.#commit = commit;
    this.#directory?.record({ type: 'commit', ...commit });
    this.#options.onNews();
  }

  /** Before the final status, so that a later process does not report one without the other. */
  setOutputs(document: string): void {
    this.#outputs = document;
    this.#note({ type: 'outputs', document }, 'Cannot record the outputs of the task');
  }

  #note(event: JobEvent, problem: string): void {
    try {
      this.#directory?.record(event);
    } catch (error: unknown) {
      this.#options.logger.error(problem, { task_id: this.#options.taskId, error: messageOf(error) });
    }
  }
}
