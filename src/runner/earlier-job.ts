import { JobDirectory, type RecordedEvent, type Seal } from '../execution/index.ts';
import { parseOwnJson } from '../lib/index.ts';
import { isFinished, isTaskStatus, type AccessKey, type JobData, type TaskStatus } from '../protocol/ui/index.ts';
import type { Commit, TaskOutcome } from '../tasks/index.ts';
import type { EarlierQuestion } from './confirmation.ts';
import { recordedExecutor, type RecordedExecutor } from './executors/index.ts';

/**
 * The way a task is played is part of what is recorded of it: raised whenever steps, keys or the order of what a task says
 * change, so that no version plays the record of another one wrongly.
 */
export const jobFormat = 4;

/** The content of a job directory's `job.sealed`. */
export interface JobContent {
  format: number;
  job: JobData;
  keys: [number, AccessKey][];
}

/** A task that an earlier process of this runner began. */
export interface EarlierJob {
  directory: JobDirectory;
  /** Where it runs; undefined when nothing of it has run anywhere. */
  executor: RecordedExecutor | undefined;
  status: TaskStatus;
  /** The last one before a final one. */
  liveStatus: TaskStatus;
  /** What it last asked its user; undefined when it never did. */
  question: EarlierQuestion | undefined;
  commit: Commit | undefined;
  outputs: string | undefined;
  /** Undefined when they cannot be read: then nothing of the log may be sent. */
  secrets: string[] | undefined;
  next:
    /** It was over: what the server lacks is delivered. */
    | { kind: 'deliver' }
    /** It goes on; `isStopping`: up to where it is stopped. */
    | { kind: 'resume'; job: JobData; keys: ReadonlyMap<number, AccessKey>; isStopping: boolean }
    /** It was being stopped, or cannot go on; what runs of it is ended. */
    | { kind: 'end'; outcome: TaskOutcome };
}

/** Reads what is left of task `id`. Undefined when there is no readable record of it. */
export function readEarlierJob(root: string, id: number, seal: Seal): EarlierJob | undefined {
  const directory = JobDirectory.open(root, id, seal);
  if (!directory) return undefined;
  try {
    return read(directory);
  } catch (error: unknown) {
    directory.close();
    throw error;
  }
}

function read(directory: JobDirectory): EarlierJob {
  const events = directory.events();
  const statuses = events.flatMap((event) =>
    event.type === 'status' && isTaskStatus(event.status) ? [event.status] : [],
  );
  const commit = events.findLast((event) => event.type === 'commit');
  const outputs = events.findLast((event) => event.type === 'outputs');
  const secrets = directory.readSecrets();
  const status = statuses.findLast(isFinished) ?? statuses.at(-1) ?? 'running';
  const executor = recordedExecutor(directory);
  return {
    directory,
    executor,
    status,
    liveStatus: statuses.findLast((each) => !isFinished(each)) ?? 'running',
    question: questionOf(status, events),
    commit: commit && { hash: commit.hash, message: commit.message },
    outputs: outputs?.document,
    secrets,
    next: nextOf(directory, executor, status, secrets !== undefined, events),
  };
}

function questionOf(status: TaskStatus, events: readonly RecordedEvent[]): EarlierQuestion | undefined {
  if (status === 'waiting_confirmation') return 'open';
  const used = events.findLastIndex((event) => event.type === 'once' && event.key.startsWith('decision '));
  const said = events.findLastIndex((event) => event.type === 'status');
  if ((status === 'confirmed' || status === 'rejected') && used < said) return status;
  return used === -1 ? undefined : 'past';
}

function nextOf(
  directory: JobDirectory,
  executor: RecordedExecutor | undefined,
  status: TaskStatus,
  readable: boolean,
  events: readonly RecordedEvent[],
): EarlierJob['next'] {
  if (isFinished(status)) return { kind: 'deliver' };
  const isLocal = executor?.kind === 'local';
  const { restarted } = directory;
  // Containers may be on another machine; if not, their engine says that they are gone.
  if (restarted !== undefined && isLocal) {
    return failed(`The ${restarted} was restarted while this task ran; the task ended with it.`);
  }
  const isStopping = status === 'stopping';
  if (isStopping && isLocal) return { kind: 'end', outcome: { kind: 'stopped' } };
  const content = readable ? parseContent(directory.readJob()) : undefined;
  if (content?.format === jobFormat) {
    // What a tool says while it is stopped in a container has yet to come into the log.
    return { kind: 'resume', job: content.job, keys: new Map(content.keys), isStopping };
  }
  if (isStopping) return { kind: 'end', outcome: { kind: 'stopped' } };
  const running = events.some((event) => event.type === 'step-starting') ? ' It was ended.' : '';
  return failed(
    content
      ? `This task was begun by another version of the runner, and this one cannot go on with it.${running}`
      : `The runner was started again with another token, and cannot read what this task was to do.${running}`,
  );
}

function failed(reason: string): EarlierJob['next'] {
  return { kind: 'end', outcome: { kind: 'failed', reason } };
}

function parseContent(text: string | undefined): JobContent | undefined {
  // Sealed by this program: what can be opened is what was written.
  return text === undefined ? undefined : parseOwnJson<JobContent>(text);
}
