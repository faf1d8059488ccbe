import type { Core } from '../core.ts';
import { quietRepeats } from '../quiet-repeats.ts';
import type { TaskBoard } from '../tasks/task-board.ts';
import { findLost, type Finding } from './find-lost.ts';

/** Ends or returns tasks that were lost, regularly and whenever something hints at a loss. */
export class Reconciler {
  readonly #core: Core;
  readonly #board: TaskBoard;
  #wake = new AbortController();

  constructor(core: Core, board: TaskBoard) {
    this.#core = core;
    this.#board = board;
    // A new deadline may be nearer than the one that is waited for.
    core.events.changed.on(({ status }) => {
      const isTimed = status === 'running' && core.config.maxTaskDurationMs > 0;
      if (isTimed || status === 'stopping') this.#wake.abort();
    });
  }

  /** Looks once, and deals with what is found. */
  look(): void {
    const { store, config, clock, watchingSince } = this.#core;
    const findings = findLost({
      tasks: store.unfinished(),
      runnerOf: (id) => store.runner(id),
      now: clock.now(),
      watchingSince,
      offlineTimeoutMs: config.runners.offlineTimeoutMs,
      taskFailTimeoutMs: config.runners.taskFailTimeoutMs,
      clockSkewMs: config.runners.clockSkewMs,
      maxTaskDurationMs: config.maxTaskDurationMs,
    });
    for (const finding of findings) this.#settle(finding);
  }

  /** Looks until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#core;
    const complain = quietRepeats(clock, (message, fields) => logger.error(message, fields));
    while (!signal.aborted) {
      const before = clock.now();
      const pause = this.#pause(before);
      this.#wake = new AbortController();
      await clock.sleep(pause, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined);
      // The machine slept, or the process stood still: the runners could not be heard, which is not their fault.
      if (clock.now() - before > pause + standstillMs) this.#core.watchingSince = clock.now();
      if (signal.aborted) return;
      try {
        this.look();
      } catch (error: unknown) {
        complain('Lost tasks could not be dealt with', { context: 'reconciler', error });
      }
    }
  }

  /** Until the next regular look, or the next deadline if that is nearer. */
  #pause(now: number): number {
    const { store, config } = this.#core;
    let pause = config.runners.reconcileIntervalMs;
    for (const { status, stopping, start } of store.unfinished()) {
      const deadline =
        status === 'stopping' && stopping
          ? Date.parse(stopping.since) + stopping.timeoutMs
          : config.maxTaskDurationMs > 0 && start !== undefined
            ? Date.parse(start) + config.maxTaskDurationMs
            : Number.POSITIVE_INFINITY;
      pause = Math.min(pause, Math.max(minPauseMs, deadline - now + 1));
    }
    return pause;
  }

  #settle({ kind, task, note }: Finding): void {
    this.#core.logger.warn('A task was lost or overdue', {
      context: 'reconciler',
      task_id: task.id,
      runner_id: task.runnerId,
      status: kind,
      reason: note,
    });
    if (kind === 'requeue') this.#board.requeue(task.id, note);
    else this.#board.end(task.id, kind, note);
  }
}

/** A process that was not scheduled for longer did not listen. */
const standstillMs = 15_000;
const minPauseMs = 50;
