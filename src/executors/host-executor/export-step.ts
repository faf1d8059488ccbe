import { messageOf } from '../../lib/index.ts';
import type { EncodedVariable } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { JobEvents } from '../job-executor.ts';
import { collectVariables, exportScript } from './environment.ts';

export interface ExportOptions {
  events: Pick<JobEvents, 'output'>;
  logger: Pick<Logger, 'error'>;
  /** Has the shell of the job source the script, and resolves with the exit code of that. */
  source: (script: Buffer) => Promise<number>;
}

/** What is shown and done when variables go into the shell of a job (spec CI 5.4). Resolves with an exit code. */
export async function exportStep(
  job: readonly EncodedVariable[],
  host: readonly { name: string; value: string }[],
  { events, logger, source }: ExportOptions,
): Promise<number> {
  const collected = collectVariables(job, host);
  if (collected.kind === 'undecodable') {
    logger.error('The value of a variable of the job is not base64', { variable: collected.name });
    return 1;
  }
  for (const { name } of collected.variables) events.output(`Exporting ${name}\n`);
  try {
    const exitCode = await source(exportScript(collected.variables));
    if (exitCode !== 0) logger.error('The shell of the job could not take over variables', { exit_code: exitCode });
    return exitCode;
  } catch (error: unknown) {
    logger.error('The variables of the job could not be handed to its shell', { error: messageOf(error) });
    return 1;
  }
}
