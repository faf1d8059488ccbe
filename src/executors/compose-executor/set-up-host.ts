import type { Command } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { runQuietly } from './run-quietly.ts';

export interface SetUpHostOptions {
  env: Readonly<Record<string, string>>;
  cwd: string;
  logger: Pick<Logger, 'debug' | 'error'>;
  /** Aborted, the command that runs is killed. */
  signal: AbortSignal;
}

/** Runs the setup commands of a job on this host, until one fails (spec CI 6.2); what they print is for the agent's log only. */
export async function setUpHost(
  commands: readonly Command[],
  { env, cwd, logger, signal }: SetUpHostOptions,
): Promise<boolean> {
  for (const { directive } of commands) {
    const { exitCode, stdout, stderr } = await runQuietly('bash', ['-c', directive], env, signal, {
      cwd,
      isTool: true,
    });
    logger.debug('A setup command of the job has run on this host', { directive, output: stdout + stderr });
    if (exitCode === 0) continue;
    logger.error('A setup command of the job has failed on this host', { directive, exit_code: exitCode ?? 'none' });
    return false;
  }
  return true;
}
