import { messageOf } from '../../lib/index.ts';
import type { JobResult } from '../../protocol/ci/index.ts';
import type { RunJobOptions } from '../types.ts';

/** The end of a job but for its processes (spec CI 5.11), in the order of `JobTeardown`. Never rejects. */
export async function tearDown(
  { events, log, logger, teardown = {} }: Pick<RunJobOptions, 'events' | 'log' | 'logger' | 'teardown'>,
  result: JobResult,
): Promise<void> {
  const { finished, archived, logClosed, teardownFinished } = teardown;
  const steps: [failure: string, work: (() => Promise<void> | void) | undefined][] = [
    ['The result of the job could not be told', finished && (() => finished(result))],
    ['The end of the job could not be written to its log', () => events.jobFinished(result)],
    ['It is not known whether the log of the job was fetched', archived],
    ['The log of the job could not be closed', () => log.close(logClosed ? { onClosed: logClosed } : {})],
    ['The end of the teardown could not be told', teardownFinished],
  ];
  for (const [failure, work] of steps) {
    try {
      await work?.();
    } catch (error: unknown) {
      logger.error(failure, { error: messageOf(error) });
    }
  }
}
