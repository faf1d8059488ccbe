import { setFlagsFromString } from 'node:v8';
import { outliveOutput, ownSecrets } from '../../cli/index.ts';
import { isUrlName, loadAgentOptions } from '../../config/index.ts';
import { systemClock } from '../../lib/index.ts';
import { jobEnvironment } from './job-environment.ts';
import { withAgentLog } from './with-agent-log.ts';

/** `agent start`. Returns the exit code. Throws UserError for a command line that is wrong. */
export async function startAgentCommand(
  flags: ReadonlyMap<string, readonly string[]>,
  version: string,
): Promise<number> {
  // Before the large libraries are loaded: halves what the HTTP client costs in memory.
  setFlagsFromString('--optimize-for-size');
  outliveOutput();
  return await withAgentLog({
    stdout: (text) => process.stdout.write(text),
    load: () => loadAgentOptions({ flags, env: process.env, cwd: process.cwd() }),
    work: async (log, options) => {
      const { guardAgainstCrash, listenForInterruption, startAgent } = await import('../../agent/index.ts');
      ownSecrets.add(options.token);
      // A pre-signed URL is as good as the identity of the machine, for a while.
      if (isUrlName(options.name)) ownSecrets.add(options.name);
      log.setName(shownName(options.name));
      const release = guardAgainstCrash(log.logger);
      const listener = listenForInterruption((signal) => log.logger.info('Termination signal received', { signal }));
      try {
        return await startAgent({
          options,
          version,
          env: jobEnvironment(options.sensitiveVariables),
          cwd: process.cwd(),
          signals: listener.signals,
          clock: systemClock,
          logger: log.logger,
          onRegistered: (name) => {
            if (name !== '') log.setName(name);
          },
        });
      } finally {
        listener.release();
        release();
      }
    },
  });
}

/** What lines begin with until the server has given the name (spec CI 1.3). */
function shownName(name: string): string {
  return URL.canParse(name) ? `[${new URL(name).host}]` : name;
}
