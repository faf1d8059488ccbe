import type { Clock } from '../lib/index.ts';
import type { JobCommand, JobEvents } from './job-executor.ts';
import type { CommandResult, ShellSession } from './shell-session/index.ts';

/** Where the steps of a job are shown. */
export interface Shown {
  events: JobEvents;
  clock: Pick<Clock, 'now'>;
}

/** Work of the agent that is shown like a command. Its end is always shown, too; it is 1 when `work` rejects. */
export async function showWork(
  directive: string,
  { events, clock }: Shown,
  work: () => Promise<number>,
): Promise<number> {
  events.commandStarted(directive);
  const startedAt = unixSeconds(clock);
  let exitCode = 1;
  try {
    exitCode = await work();
  } finally {
    events.commandFinished({ directive, exitCode, startedAt, finishedAt: unixSeconds(clock) });
  }
  return exitCode;
}

/** Runs a command of the job in its session, with its events (spec CI 5.3). Exit code 1 where there is no session. */
export async function showCommand(
  { directive, alias = '', warning = '' }: JobCommand,
  { events, clock }: Shown,
  session: Pick<ShellSession, 'run'> | undefined,
): Promise<number> {
  const shown = alias === '' ? directive : alias;
  events.commandStarted(shown);
  if (alias !== '') events.output(`Running: ${directive}\n`);
  if (warning !== '') events.output(`Warning: ${warning}\n`);
  const now = unixSeconds(clock);
  let result: CommandResult = { exitCode: 1, startedAt: now, finishedAt: now };
  try {
    result = (await session?.run(directive, { onOutput: (text) => events.output(text) })) ?? result;
  } finally {
    const { exitCode, startedAt, finishedAt } = result;
    events.commandFinished({ directive: shown, exitCode, startedAt, finishedAt });
  }
  return result.exitCode;
}

function unixSeconds(clock: Pick<Clock, 'now'>): number {
  return Math.floor(clock.now() / 1000);
}
