import { setFlagsFromString } from 'node:v8';
import { outliveOutput, ownSecrets } from '../../cli/index.ts';
import { loadServeOptions } from '../../config/index.ts';
import { systemClock } from '../../lib/index.ts';
import { jobEnvironment } from './job-environment.ts';
import { withAgentLog } from './with-agent-log.ts';

/** `agent serve`. Returns the exit code. Throws UserError for a command line that is wrong. */
export async function serveAgentCommand(
  flags: ReadonlyMap<string, readonly string[]>,
  version: string,
): Promise<number> {
  setFlagsFromString('--optimize-for-size');
  outliveOutput();
  return await withAgentLog({
    stdout: (text) => process.stdout.write(text),
    load: () => loadServeOptions(flags),
    work: async (log, options) => {
      const { guardAgainstCrash, listenForInterruption, serveAgent } = await import('../../agent/index.ts');
      ownSecrets.add(options.authTokenSecret);
      const release = guardAgainstCrash(log.logger);
      const listener = listenForInterruption((signal) => log.logger.info('Termination signal received', { signal }));
      try {
        return await serveAgent({
          serve: options,
          version,
          agentLogFile: log.path,
          accessLog: (line) => log.raw(line),
          env: jobEnvironment([]),
          cwd: process.cwd(),
          signals: listener.signals,
          clock: systemClock,
          logger: log.logger,
        });
      } finally {
        listener.release();
        release();
      }
    },
  });
}
