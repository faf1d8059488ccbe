import { isFinished } from '../../protocol/ui/index.ts';
import { UserError } from '../../lib/index.ts';
import type { Core } from '../core.ts';
import { isOnline } from '../dispatch/online.ts';
import type { TaskRecord } from '../store/records.ts';
import type { TaskBoard } from './task-board.ts';

/** How long a runner that cannot be told of a forced stop may take for an ordinary one. */
const forcedStopOfOldRunnerMs = 30_000;

/**
 * What users do to tasks (spec 8.5). Runners before 2.19 learn neither of rejected tasks nor of such that were torn away from
 * them; they send no start time, and get an ordinary stop instead, with a time-out of our own.
 */
export class TaskControl {
  readonly #core: Core;
  readonly #board: TaskBoard;

  constructor(core: Core, board: TaskBoard) {
    this.#core = core;
    this.#board = board;
  }

  /** Nothing happens to a task that is finished: it has stopped. */
  stop(task: TaskRecord, { force }: { force: boolean }): void {
    const current = this.#current(task);
    if (isFinished(current.status)) return;
    const { stopTimeoutMs } = this.#core.config;
    if (!force) this.#board.stop(current, stopTimeoutMs);
    else if (this.#runnerIsOld(current)) this.#board.stop(current, Math.min(forcedStopOfOldRunnerMs, stopTimeoutMs));
    else this.#board.forceStop(current);
  }

  confirm(task: TaskRecord): void {
    this.#board.confirm(this.#undecided(task));
  }

  reject(task: TaskRecord): void {
    const current = this.#undecided(task);
    if (this.#runnerIsOld(current)) this.#board.stop(current, this.#core.config.stopTimeoutMs);
    else this.#board.reject(current);
  }

  #undecided(task: TaskRecord): TaskRecord {
    const current = this.#current(task);
    if (current.status !== 'waiting_confirmation') {
      throw new UserError(`Task ${current.id} does not wait for a confirmation; it is ${current.status}`);
    }
    return current;
  }

  /** Time may have passed since the task was looked up. */
  #current(task: TaskRecord): TaskRecord {
    return this.#core.store.task(task.id) ?? task;
  }

  #runnerIsOld(task: TaskRecord): boolean {
    const { store, clock, config } = this.#core;
    const runner = store.runner(task.runnerId ?? 0);
    return (
      runner !== undefined &&
      runner.startedAt === undefined &&
      isOnline(runner, clock.now(), config.runners.offlineTimeoutMs)
    );
  }
}
