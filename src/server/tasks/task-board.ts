import { isFinished, type TaskStatus } from '../../protocol/ui/index.ts';
import { type Core, timestamp } from '../core.ts';
import type { RunnerRecord, TaskRecord } from '../store/records.ts';
import { guard } from './guard.ts';

/**
 * The only place where a task's status changes. States and arrows: spec 5.1. A task is **waiting** until the dispatcher
 * assigns it to a runner (**starting**), which then moves it on; users stop, confirm and reject; the reconciler takes tasks
 * back from lost runners. Every change is in the journal before the method returns; a finished task frees its runner in the
 * same moment.
 */
export class TaskBoard {
  readonly #core: Core;
  /** Assigned tasks that their runner has not been told of. Forgotten by a restart: then it may have been told. */
  readonly #undelivered = new Set<number>();
  /** What goes on beside the answers to requests; none of it rejects. */
  readonly #work = new Set<Promise<void>>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Puts a new task at the end of the queue. */
  add(task: TaskRecord): TaskRecord {
    const { events, store } = this.#core;
    store.putTask(task);
    events.changed.emit(task);
    events.opportunity.emit('task created');
    return task;
  }

  /** False when the task does not wait any more. */
  assign(id: number, runner: RunnerRecord): boolean {
    const { clock, store, events } = this.#core;
    const task = store.task(id);
    if (!task || task.status !== 'waiting') return false;
    events.changed.emit(
      store.changeTask(id, {
        status: 'starting',
        runnerId: runner.id,
        assigned: timestamp(clock),
        runnerStartedAt: undefined,
      }),
    );
    this.#undelivered.add(id);
    this.note(id, `Task #${id} is assigned to runner #${runner.id}`);
    return true;
  }

  /** The runner of a task has been told of it. */
  markDelivered(id: number): void {
    this.#undelivered.delete(id);
  }

  /** Takes a task that has not begun back from its runner; it keeps its place in the queue. */
  requeue(id: number, note: string): void {
    const { store, events } = this.#core;
    this.note(id, note);
    events.changed.emit(store.changeTask(id, { status: 'waiting', runnerId: undefined, assigned: undefined }));
    events.opportunity.emit('task returned to the queue');
  }

  /** A status as its runner reports it; `details` are stored whatever becomes of the status. */
  report(
    id: number,
    status: TaskStatus | undefined,
    details: Partial<Pick<TaskRecord, 'commit' | 'outputs' | 'runnerStartedAt'>>,
  ): void {
    const task = this.#core.store.task(id);
    if (!task || isFinished(task.status)) return;
    const verdict = status === undefined ? 'unchanged' : guard(task.status, status);
    const changes = changesOnly(task, details);
    if (verdict === 'accepted' && status !== undefined) this.#set(task, status, changes);
    else if (Object.keys(changes).length > 0) this.#core.store.changeTask(id, changes);
  }

  /** Ends a task from here, with a line at the end of its log that says why. */
  end(id: number, status: 'error' | 'stopped', note: string): void {
    const task = this.#core.store.task(id);
    if (!task || isFinished(task.status)) return;
    // First the line, so that whoever sees the status finds the reason.
    this.note(id, note);
    this.#set(task, status, {});
  }

  /** Asks the runner to stop the task; one that no runner knows of stops at once (spec 8.5). */
  stop(task: TaskRecord, timeoutMs: number): void {
    const isUnknown = task.status === 'waiting' || (task.status === 'starting' && this.#undelivered.has(task.id));
    if (isUnknown) this.#set(task, 'stopped', {});
    else if (task.status !== 'stopping')
      this.#set(task, 'stopping', { stopping: { since: timestamp(this.#core.clock), timeoutMs } });
    else if (timeoutMs < (task.stopping?.timeoutMs ?? 0)) this.#hurry(task, timeoutMs);
  }

  /** Stops the task here and now; its runner learns it from its next report. */
  forceStop(task: TaskRecord): void {
    this.#set(task, 'stopped', { forced: true });
  }

  confirm(task: TaskRecord): void {
    this.#set(task, 'confirmed', {});
  }

  reject(task: TaskRecord): void {
    this.#set(task, 'rejected', {});
  }

  /** Adds a line to a task's log; lines keep the order in which they were added. */
  note(id: number, message: string): void {
    this.#track(this.#core.logs.note(id, message).catch((error: unknown) => this.#noteFailed(id, error)));
  }

  /** Resolves when nothing is being written any more. */
  async idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  async remove(id: number): Promise<void> {
    const { store, logs, secrets } = this.#core;
    store.removeTask(id);
    await secrets.remove(id);
    await logs.remove(id);
  }

  #set(task: TaskRecord, status: TaskStatus, changes: Partial<TaskRecord>): void {
    const { clock, store, events } = this.#core;
    const finished = isFinished(status);
    const changed = store.changeTask(task.id, {
      ...changes,
      status,
      // Again after every confirmation, as the original does.
      ...(status === 'running' ? { start: timestamp(clock) } : {}),
      ...(finished ? { end: timestamp(clock), hasSecrets: false } : {}),
    });
    events.changed.emit(changed);
    if (!finished) return;
    this.#undelivered.delete(changed.id);
    events.finished.emit(changed);
    events.opportunity.emit('task finished');
    this.#track(this.#tidy(changed.id));
  }

  /** A shorter time-out for a task that is to stop already. */
  #hurry(task: TaskRecord, timeoutMs: number): void {
    const { clock, store, events } = this.#core;
    events.changed.emit(store.changeTask(task.id, { stopping: { since: timestamp(clock), timeoutMs } }));
  }

  async #tidy(id: number): Promise<void> {
    const { store, secrets, logs, logger, config } = this.#core;
    try {
      await secrets.remove(id);
      await logs.release(id);
      const surplus = store.finishedCount - config.historyMaxTasks;
      if (surplus > 0) for (const old of oldestFinished(store.tasks(), surplus)) await this.remove(old);
    } catch (error: unknown) {
      logger.warn('What a finished task leaves behind could not be tidied up', {
        context: 'tasks',
        task_id: id,
        error,
      });
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  #noteFailed(id: number, error: unknown): void {
    this.#core.logger.error('A line of the server could not be added to the log of a task', {
      context: 'tasks',
      task_id: id,
      error,
    });
  }
}

function oldestFinished(tasks: Iterable<TaskRecord>, count: number): number[] {
  const ids: number[] = [];
  for (const { id, status } of tasks) {
    if (ids.length === count) break;
    if (isFinished(status)) ids.push(id);
  }
  return ids;
}

/** Details that differ from what is known: a report repeats the commit every time. */
function changesOnly(task: TaskRecord, details: Partial<TaskRecord>): Partial<TaskRecord> {
  return Object.fromEntries(
    Object.entries(details).filter(
      ([key, value]) => value !== undefined && JSON.stringify(value) !== JSON.stringify(Reflect.get(task, key)),
    ),
  );
}
