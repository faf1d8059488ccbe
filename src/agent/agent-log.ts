import { chmodSync, constants, fchmodSync, existsSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf, UserError, withoutUrlCredentials } from '../lib/index.ts';
import type { LogFields, Logger } from '../telemetry/index.ts';
import { agentLogLine } from './agent-log-line.ts';

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'panic'] as const;
export type AgentLogLevel = (typeof levels)[number];

/** Thrown when the directory of the log cannot be made. Exit code 2, as with the original. */
export class LogDirectoryError extends UserError {
  override name = 'LogDirectoryError';
}

export interface OpenAgentLogOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** Where each line goes besides the file; not at all when undefined. */
  stdout?: ((text: string) => void) | undefined;
  /** Sees every finished line. Credentials in URLs are masked anyway. */
  mask?: ((text: string) => string) | undefined;
  /** @default the time of the system */
  now?: () => Date;
}

/** The agent's own log (spec CI 1.3). */
export interface AgentLog {
  logger: Logger;
  /** Where the file is. */
  path: string;
  level: AgentLogLevel;
  /** From now on lines begin with this name; "" for none. */
  setName(name: string): void;
  /** A line in a form of its own, such as that of an access log, without line end. */
  raw(line: string): void;
  /** A line that is there whatever the level: why the program ends. */
  fatal(message: string): void;
}

/** The file of the log when no variable names one; shared by all agents of the user. */
export function agentLogPath(env: OpenAgentLogOptions['env']): string {
  return env['SEMAPHORE_AGENT_LOG_FILE_PATH'] || join(env['TMPDIR'] || tmpdir(), 'agent_log');
}

/**
 * Opens the agent's log: appended to a file, and on standard output. The directory of a file that was named is made (0750), the file
 * too (0640). Throws UserError when the level is unknown or the file cannot be opened, LogDirectoryError for its directory.
 */
export function openAgentLog(options: OpenAgentLogOptions): AgentLog {
  const { env, stdout, mask = (text) => text, now = () => new Date() } = options;
  const level = levelOf(env['SEMAPHORE_AGENT_LOG_LEVEL'] ?? '');
  const path = agentLogPath(env);
  const fd = open(path, (env['SEMAPHORE_AGENT_LOG_FILE_PATH'] ?? '') !== '');
  let agentName = '';

  function put(line: string): void {
    const text = `${mask(withoutUrlCredentials(line))}\n`;
    try {
      writeSync(fd, text);
    } catch {
      // A full disk under the log is no reason to end, and the other place has the line.
    }
    stdout?.(text);
  }

  function loggerWith(bound: LogFields): Logger {
    const at =
      (wanted: AgentLogLevel) =>
      (message: string, fields: LogFields = {}): void => {
        if (levels.indexOf(wanted) < levels.indexOf(level)) return;
        put(agentLogLine({ at: now(), name: agentName, message, fields: { ...bound, ...fields } }));
      };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => loggerWith({ ...bound, ...fields }),
    };
  }

  return {
    logger: loggerWith({}),
    path,
    level,
    setName: (name) => {
      agentName = name;
    },
    raw: put,
    fatal: (message) => put(agentLogLine({ at: now(), name: agentName, message, fields: {} })),
  };
}

/** A level in any case; the default for none. */
function levelOf(text: string): AgentLogLevel {
  if (text === '') return 'info';
  const wanted = text.toLowerCase() === 'warning' ? 'warn' : text.toLowerCase();
  const level = levels.find((each) => each === wanted);
  if (level !== undefined) return level;
  throw new UserError(`Log level ${text} not supported`, {
    hint: `SEMAPHORE_AGENT_LOG_LEVEL is one of ${levels.toReversed().join(', ')}.`,
  });
}

function open(path: string, isNamed: boolean): number {
  if (isNamed) makeDirectory(dirname(path));
  const isNew = !existsSync(path);
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  try {
    // The directory for temporary files is everybody's: a link there is not ours.
    const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | (isNamed ? 0 : O_NOFOLLOW), 0o640);
    if (isNew) fchmodSync(fd, 0o640);
    return fd;
  } catch (error: unknown) {
    throw new UserError(`the log file ${path} cannot be opened: ${messageOf(error)}`, {
      hint: 'Name another one in SEMAPHORE_AGENT_LOG_FILE_PATH.',
      cause: error,
    });
  }
}

function makeDirectory(directory: string): void {
  try {
    const first = mkdirSync(directory, { recursive: true, mode: 0o750 });
    if (first === undefined) return;
    // The umask of the program is tighter.
    for (let made = directory; made.startsWith(first); made = dirname(made)) chmodSync(made, 0o750);
  } catch (error: unknown) {
    throw new LogDirectoryError(`the directory of the log, ${directory}, cannot be made: ${messageOf(error)}`, {
      hint: 'Name another file in SEMAPHORE_AGENT_LOG_FILE_PATH.',
      cause: error,
    });
  }
}
