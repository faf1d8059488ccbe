import type { AgentLog, OpenAgentLogOptions } from '../../agent/index.ts';
import { note, ownSecrets } from '../../cli/index.ts';
import { ConfigError, messageOf, RemoteError, UserError } from '../../lib/index.ts';

/** As the original has them (spec CI 1.13): a wrong configuration is 1, a wrong command line 2. */
export const agentExitCodes = { ok: 0, fatal: 1, usage: 2, interrupted: 130 } as const;

export interface AgentWork<Options> {
  /** Where the log goes besides its file; undefined for a command of which people read something else: what ends it is thrown on. */
  stdout: OpenAgentLogOptions['stdout'];
  /** A UserError that is no ConfigError is a command line that is wrong. */
  load: (log: AgentLog) => Promise<Options> | Options;
  work: (log: AgentLog, options: Options) => Promise<number>;
}

/**
 * Opens the agent's log, reads the options, does the work; gives the exit code. What makes that impossible stands in the log, as with the
 * original, and the code is 1. Throws UserError for a command line that is wrong. A log that cannot be opened is told on standard error; its
 * code is 1, or 2 when the directory cannot be made.
 */
export async function withAgentLog<Options>({ stdout, load, work }: AgentWork<Options>): Promise<number> {
  const [{ LogDirectoryError, openAgentLog }, { growingMask }] = await Promise.all([
    import('../../agent/index.ts'),
    import('../../logs/index.ts'),
  ]);
  let log: AgentLog;
  try {
    log = openAgentLog({ env: process.env, stdout, mask: growingMask(ownSecrets, leastSecret) });
  } catch (error: unknown) {
    if (!(error instanceof UserError)) throw error;
    note(`Error: ${error.message}`);
    if (error.hint !== undefined) note(error.hint);
    return error instanceof LogDirectoryError ? agentExitCodes.usage : agentExitCodes.fatal;
  }
  let options: Options;
  try {
    options = await load(log);
  } catch (error: unknown) {
    if (error instanceof UserError && !(error instanceof ConfigError)) throw error;
    return tellFatal(error, log);
  }
  try {
    return await work(log, options);
  } catch (error: unknown) {
    const code = tellFatal(error, log);
    if (!stdout) throw error;
    return code;
  }
}

/** Shorter ones are placeholders, and a nuisance when masked. */
const leastSecret = 4;

function tellFatal(error: unknown, log: AgentLog): number {
  log.fatal(messageOf(error));
  const isOurs = error instanceof UserError || error instanceof RemoteError;
  if (isOurs && error.hint !== undefined) log.fatal(error.hint);
  if (!isOurs && error instanceof Error && error.stack !== undefined) log.fatal(error.stack);
  return agentExitCodes.fatal;
}
