import { randomUUID } from 'node:crypto';
import type { JobEvents, JobExecutor } from '../../executors/index.ts';
import type { Clock } from '../../lib/index.ts';
import type { JobResult } from '../../protocol/ci/index.ts';

/** The exit code by which a command ends the whole job. A tool that was ended by Ctrl-C has the same: they cannot be told apart. */
export const earlyExitCode = 130;

const directive = 'Checking job result';

/** Asks the job's shell which result the job gives itself, and shows it as a command of its own (spec CI 5.8). */
export async function checkJobResult(
  executor: Pick<JobExecutor, 'evaluate'>,
  events: JobEvents,
  clock: Pick<Clock, 'now'>,
): Promise<JobResult> {
  events.commandStarted(directive);
  try {
    const value = await readJobResult(executor);
    if (value === 'passed' || value === 'failed') {
      events.output(`SEMAPHORE_JOB_RESULT=${value} - stopping job and marking it as ${value}`);
      return value;
    }
    events.output(`SEMAPHORE_JOB_RESULT is set to '${value}' - stopping job and marking it as stopped`);
    return 'stopped';
  } finally {
    const now = Math.floor(clock.now() / 1000);
    events.commandFinished({ directive, exitCode: 0, startedAt: now, finishedAt: now });
  }
}

/** Something else may print at the same time, and standard output may lead somewhere else: hence the brackets and the terminal. */
async function readJobResult(executor: Pick<JobExecutor, 'evaluate'>): Promise<string> {
  const bracket = randomUUID();
  const { output } = await executor.evaluate(
    `\\builtin printf '%s<%s>%s' ${bracket} "\${SEMAPHORE_JOB_RESULT-}" ${bracket} >/dev/tty`,
  );
  return new RegExp(`${bracket}<(.*)>${bracket}`, 's').exec(output)?.[1]?.trim() ?? '';
}
