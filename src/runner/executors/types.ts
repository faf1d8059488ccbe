import type { ExecutorConfig } from '../../config/index.ts';
import type { JobDirectory } from '../../execution/index.ts';
import type { RecordedHostOptions } from '../../executors/index.ts';
import type { OpenPlace, TaskHost } from '../../tasks/index.ts';

export type ExecutorKind = ExecutorConfig['type'];

/** What the record of a task says of where it runs. */
export type RecordedExecutor = { kind: 'local' } | { kind: 'docker' | 'k8s'; containers: string };

/** How a task is begun: for the first time, played again from its record, or only ended. */
export type Beginning = 'new' | 'play' | 'end';

export interface TaskRequest extends Omit<RecordedHostOptions, 'resumed' | 'atEnd' | 'onLive'> {
  taskId: number;
  directory: JobDirectory;
  beginning: Beginning;
}

/** Runs one task, wherever that is. */
export interface TaskExecutor {
  /** For the steps of the task; log and record are in the job directory. */
  readonly host: TaskHost;
  readonly openPlace: OpenPlace;
  /** Appends a line to the log when the task is over, once in its life, also when it has not come as far again as it had been. */
  sayLast(line: string): void;
  /** Ends what an earlier process began and nobody can go on with. Never rejects. */
  stopEarlier(): Promise<void>;
  /**
   * The task has come to its end: what it has left on this machine is ended. Resolves with what is to be said of the limits that it has
   * met, one sentence each. Never rejects.
   */
  end(): Promise<string[]>;
  /** Removes what the task has elsewhere, its result being reported already. Never rejects. */
  cleanUp(): Promise<void>;
}

/** Where tasks run; chosen once, at the start of the runner (spec 6.1). */
export interface ExecutorProvider {
  readonly kind: ExecutorKind;
  /** Called once before the first task. What does not work is told in the log; a task that meets it fails with it. Never rejects. */
  start(): Promise<void>;
  /** Notes in the directory of a new task where it runs, before anything of it is there. */
  note(taskId: number, directory: JobDirectory): void;
  attach(request: TaskRequest): TaskExecutor;
  /** Removes what an earlier runner has left of tasks that were not attached. Never rejects. */
  sweep(): Promise<void>;
  /** Ends what goes on in the background; the runner ends. */
  close(): void;
}

/** Where the task with this record runs; undefined when its runner was killed before it had noted that, and so before anything ran. */
export function recordedExecutor(directory: JobDirectory): RecordedExecutor | undefined {
  const events = directory.events();
  const event = events.find(({ type }) => type === 'executor');
  if (event?.type === 'executor') return { kind: event.kind, containers: event.containers };
  return events.every(({ type }) => type === 'created' || type === 'resealed') ? undefined : { kind: 'local' };
}
