import { CronExpressionParser } from 'cron-parser';
import type { Schedule } from '../catalog/types.ts';
import type { Core } from '../core.ts';
import { scheduledTask } from '../tasks/new-task.ts';
import type { TaskStarter } from '../tasks/task-starter.ts';

/** Timers are not trusted for longer: the clock may be set, or the machine may sleep. */
const longestSleepMs = 60_000;

/**
 * Starts the tasks of schedules. A time that passed while the server was not running is not made up for; a schedule whose last
 * task has not even begun gets no second one, so that nothing piles up while no runner is there.
 */
export class Scheduler {
  readonly #core: Core;
  readonly #starter: TaskStarter;
  #reloaded = new AbortController();

  constructor(core: Core, starter: TaskStarter) {
    this.#core = core;
    this.#starter = starter;
  }

  /** To be called when the catalogue was replaced. */
  reload(): void {
    this.#reloaded.abort();
  }

  /** When a schedule comes next, undefined when it is not active. */
  next(schedule: Schedule, after = this.#core.clock.now()): number | undefined {
    if (!schedule.active) return undefined;
    const timezone = schedule.timezone ?? this.#core.config.timezone;
    const options = { currentDate: new Date(after), ...(timezone === undefined ? {} : { tz: timezone }) };
    return CronExpressionParser.parse(schedule.cron, options).next().getTime();
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#core;
    let seen = clock.now();
    while (!signal.aborted) {
      const due = [...this.#core.catalog.schedules.values()].map((schedule) => ({
        schedule,
        at: this.next(schedule, seen),
      }));
      const first = Math.min(...due.map(({ at }) => at ?? Number.POSITIVE_INFINITY));
      const pause = Math.min(longestSleepMs, Math.max(0, first - clock.now()));
      this.#reloaded = new AbortController();
      await clock.sleep(pause, AbortSignal.any([signal, this.#reloaded.signal])).catch(() => undefined);
      if (signal.aborted) return;
      const now = clock.now();
      for (const { schedule, at } of due) if (at !== undefined && at <= now) await this.#fire(schedule.id, at, now);
      // Also when the clock went back: what was due then will be due again.
      seen = now;
    }
  }

  async #fire(id: number, at: number, now: number): Promise<void> {
    const { logger, catalog } = this.#core;
    // The file may have been read again since the time was computed.
    const schedule = catalog.schedules.get(id);
    const template = catalog.templates.get(schedule?.templateId ?? 0);
    if (!schedule?.active || !template) return;
    const fields = { context: 'schedule', schedule_id: id, schedule: schedule.name };
    if (now - at > longestSleepMs * 2)
      return logger.warn('A schedule was missed', { ...fields, due: new Date(at).toISOString() });
    const waiting = this.#waitingTask(id);
    if (waiting !== undefined) {
      return logger.warn('A schedule was skipped: its last task has not begun yet', { ...fields, task_id: waiting });
    }
    try {
      const task = await this.#starter.start(template.projectId, scheduledTask(schedule, template), {
        userName: '',
        scheduleId: id,
      });
      logger.info('A schedule started a task', { ...fields, task_id: task.id });
    } catch (error: unknown) {
      logger.error('A schedule could not start its task', { ...fields, error });
    }
  }

  #waitingTask(scheduleId: number): number | undefined {
    for (const task of this.#core.store.unfinished()) {
      if (task.scheduleId === scheduleId && task.status === 'waiting') return task.id;
    }
    return undefined;
  }
}
