import { listenForShutdown, note, warn } from '../../cli/index.ts';
import { systemClock } from '../../lib/index.ts';
import type { JobResult } from '../../protocol/ci/index.ts';
import { aloudLogger } from './aloud-logger.ts';
import { jobEnvironment } from './job-environment.ts';
import { agentExitCodes, withAgentLog } from './with-agent-log.ts';

export interface RunJobCommand {
  path: string;
  version: string;
  events: boolean;
  unfold: boolean;
  exitZero: boolean;
  maskSecrets: boolean;
}

const codes: Readonly<Record<JobResult, number>> = {
  passed: agentExitCodes.ok,
  failed: agentExitCodes.fatal,
  stopped: agentExitCodes.interrupted,
};

export function exitCodeOf(result: JobResult): number {
  return codes[result];
}

/** Whether standard output is a terminal that may be coloured. */
export function wantsColour(): boolean {
  return process.stdout.isTTY && !process.env['NO_COLOR'];
}

/** `agent run`. Returns the exit code. Throws UserError when the file is no job. */
export async function runJobCommand(command: RunJobCommand): Promise<number> {
  const { path, version, events, unfold, exitZero, maskSecrets } = command;
  return await withAgentLog({
    // Standard output is for the job.
    stdout: undefined,
    load: async () => {
      const { checkRunnable, readJob } = await import('../../agent/index.ts');
      const { request, ignored } = await readJob(path);
      if (ignored.length > 0) warn(`these keys of the job mean nothing: ${ignored.join(', ')}`);
      checkRunnable(request);
      return request;
    },
    work: async (log, request) => {
      const { createJobView, runJobFile } = await import('../../agent/index.ts');
      const write = (text: string): void => void process.stdout.write(text);
      const view = createJobView({ write, colour: wantsColour(), unfold, now: () => performance.now() });
      const shutdown = listenForShutdown();
      const { drain, cancel } = shutdown.signals;
      drain.addEventListener('abort', () => note('Stopping the job; press Ctrl-C again to kill it.'), { once: true });
      try {
        const result = await runJobFile({
          request,
          onLine: events ? (line) => write(`${line}\n`) : (line) => view.line(line),
          stop: drain,
          hurry: cancel,
          maskSecrets,
          version,
          env: jobEnvironment([]),
          cwd: process.cwd(),
          clock: systemClock,
          logger: aloudLogger(log.logger),
        });
        return exitZero ? agentExitCodes.ok : exitCodeOf(result);
      } finally {
        shutdown.release();
      }
    },
  });
}
