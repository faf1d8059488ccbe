import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../lib/index.ts';
import type { LogRecord } from '../../protocol/ui/index.ts';
import { LogFile } from './log-file.ts';
import { encodeLines, readLines } from './log-lines.ts';

/** Told of records that were stored; not of repeated ones. */
export type LogListener = (taskId: number, records: readonly LogRecord[]) => void;

interface OpenLog {
  file: LogFile;
  /** The last operation; the next one waits for it, so that batches never mix. */
  queue: Promise<unknown>;
}

/** The logs of all tasks: one file each, open while the task runs. */
export class TaskLogs {
  readonly #dir: string;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #open = new Map<number, Promise<OpenLog>>();
  #listener: LogListener | undefined;

  private constructor(dir: string, clock: Pick<Clock, 'now'>) {
    this.#dir = dir;
    this.#clock = clock;
  }

  static async open(dir: string, clock: Pick<Clock, 'now'>): Promise<TaskLogs> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return new TaskLogs(dir, clock);
  }

  /** Only one; undefined while nobody listens, which saves taking the records apart. */
  set listener(listener: LogListener | undefined) {
    this.#listener = listener;
  }

  /** Stores records of a runner, without those that it sends again. They are in the file when this resolves. */
  async append(taskId: number, records: readonly LogRecord[]): Promise<void> {
    if (records.length === 0) return;
    const lines = encodeLines(records);
    const repeated = await this.#exclusively(taskId, (file) => file.append(lines, { repeatable: true }));
    if (!this.#listener || repeated === lines.length) return;
    this.#listener(taskId, repeated === 0 ? records : recordsAfter(records, repeated));
  }

  /** Stores a line of the server itself. Whoever reads the log from now on sees it, and whoever listens has heard of it. */
  async note(taskId: number, message: string): Promise<void> {
    const record = { time: new Date(this.#clock.now()).toISOString(), message };
    this.#listener?.(taskId, [record]);
    await this.#exclusively(taskId, (file) => file.append(encodeLines([record]), { repeatable: false }));
  }

  /** The lines of a log in batches, `<time> <text>`, with everything that was to be stored when this was called. */
  async *read(taskId: number): AsyncGenerator<string[]> {
    const log = await this.#open.get(taskId);
    await log?.queue;
    yield* readLines(this.#path(taskId));
  }

  /** The task is finished: nothing more is expected. */
  async release(taskId: number): Promise<void> {
    const log = await this.#open.get(taskId);
    if (!log) return;
    // Whoever appends meanwhile joins the queue; a second handle on the file would not know its size.
    for (let last; last !== log.queue;) {
      last = log.queue;
      await last;
    }
    if (this.#open.delete(taskId)) await log.file.close();
  }

  async remove(taskId: number): Promise<void> {
    await this.release(taskId);
    await rm(this.#path(taskId), { force: true });
  }

  async close(): Promise<void> {
    for (const taskId of this.#open.keys()) await this.release(taskId);
  }

  async #exclusively<T>(taskId: number, work: (file: LogFile) => Promise<T>): Promise<T> {
    const log = await this.#opened(taskId);
    const done = log.queue.then(() => work(log.file));
    // The failure belongs to this caller; the next one starts afresh.
    log.queue = done.catch(() => undefined);
    return await done;
  }

  #opened(taskId: number): Promise<OpenLog> {
    const known = this.#open.get(taskId);
    if (known) return known;
    const opening = LogFile.open(this.#path(taskId)).then((file): OpenLog => ({ file, queue: Promise.resolve() }));
    this.#open.set(taskId, opening);
    opening.catch(() => this.#open.delete(taskId));
    return opening;
  }

  #path(taskId: number): string {
    return join(this.#dir, `${taskId}.log`);
  }
}

/** The records behind the first `bytes` of their encoded form. */
function recordsAfter(records: readonly LogRecord[], bytes: number): readonly LogRecord[] {
  let left = bytes;
  const index = records.findIndex((record) => {
    if (left <= 0) return true;
    left -= encodeLines([record]).length;
    return false;
  });
  return index < 0 ? [] : records.slice(index);
}
