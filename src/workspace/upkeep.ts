import { messageOf, systemClock, UserError, type Clock } from '../lib/index.ts';
import type { CleanUpLimits } from './clean-up.ts';
import type { ClearResult, Workspace } from './workspace.ts';

export interface UpkeepOptions {
  workspace: Pick<Workspace, 'cleanUp'>;
  /** Cron expression, in the machine's time zone. */
  schedule: string;
  limits: CleanUpLimits;
  /** Ends the upkeep. */
  signal: AbortSignal;
  onDone: (result: ClearResult) => void;
  onError: (error: unknown) => void;
  clock?: Clock;
}

/** The wall clock may be set while we sleep, and a timer has a longest time. */
const longestSleepMs = 10 * 60_000;

/**
 * Cleans up on a schedule until the signal is aborted; resolves when the schedule is found to be good. Throws UserError when it
 * is not.
 */
export async function startUpkeep(options: UpkeepOptions): Promise<void> {
  const next = await nextTimes(options.schedule);
  const { clock = systemClock } = options;
  void (async () => {
    for (let due = next(clock.now()); !options.signal.aborted;) {
      const left = due - clock.now();
      if (left > 0) {
        await clock.sleep(Math.min(left, longestSleepMs), options.signal).catch(() => undefined);
        continue;
      }
      try {
        options.onDone(await options.workspace.cleanUp(options.limits));
      } catch (error: unknown) {
        options.onError(error);
      }
      due = next(clock.now());
    }
  })();
}

async function nextTimes(schedule: string): Promise<(after: number) => number> {
  // Loaded where it is needed only: it costs what a quick start should not pay.
  const { CronExpressionParser } = await import('cron-parser');
  const next = (after: number): number =>
    CronExpressionParser.parse(schedule, { currentDate: new Date(after) })
      .next()
      .getTime();
  try {
    const fields = schedule.trim().split(/\s+/).length;
    if (!schedule.startsWith('@') && fields !== 5 && fields !== 6) throw new Error(`it has ${fields} fields`);
    next(Date.now());
  } catch (error: unknown) {
    throw new UserError(
      `runner.cleanup.schedule is ${JSON.stringify(schedule)}, which is no schedule: ${messageOf(error)}`,
      {
        hint: 'Write a cron expression of five fields (minute, hour, day, month, weekday), for example "0 3 * * *".',
        cause: error,
      },
    );
  }
  return next;
}
