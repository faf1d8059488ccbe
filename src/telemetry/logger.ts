import { isatty } from 'node:tty';
import { pino, type Logger as Pino } from 'pino';
import { withoutUrlCredentials } from '../lib/index.ts';
import { contextFilter } from './context-filter.ts';
import { plainFields } from './fields.ts';
import { humanLine, textLine, type LogRecord } from './lines.ts';
import type { LogFields, LogFormat, Logger, LogLevel } from './types.ts';

export interface CreateLoggerOptions {
  /** Least level that is written. */
  level: LogLevel;
  /** `stderr` or an open file descriptor. */
  destination: 'stderr' | number;
  /** @default 'auto' */
  format?: LogFormat | undefined;
  /** Colours in `auto` format. @default true when the destination is a terminal and NO_COLOR is not set */
  colour?: boolean | undefined;
  /** Contexts whose DEBUG lines are written, for example `git,job_*,-sending_progress`; all when undefined. */
  debugFilter?: string | undefined;
  /** Sees every finished line, so that no call site can leak a secret. Credentials in URLs are masked anyway. */
  mask?: ((text: string) => string) | undefined;
}

/** What is kept of the log while it cannot be written, bytes; what comes then is dropped. */
const maxWaitingBytes = 1024 * 1024;

/**
 * The process log over pino. It writes synchronously and starts no thread: what was logged before a crash is on the
 * terminal or in the journal.
 */
export function createLogger(options: CreateLoggerOptions): Logger {
  const fd = options.destination === 'stderr' ? 2 : options.destination;
  const sink = pino.destination({ fd, sync: true, maxLength: maxWaitingBytes });
  // A full disk under the log is no reason to end; lines wait until it takes them again.
  sink.on('error', () => undefined);
  const format = lineFormat(options, fd);
  const mask = options.mask ?? ((text: string) => text);
  const root = pino(
    {
      level: pinoLevels[options.level],
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => void sink.write(mask(withoutUrlCredentials(format(line)))) },
  );
  return wrap(root, { filter: contextFilter(options.debugFilter), stacks: options.level === 'DEBUG' });
}

const pinoLevels: Readonly<Record<LogLevel, string>> = {
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
  FATAL: 'fatal',
  PANIC: 'silent',
};

interface Behaviour {
  /** Whether DEBUG lines of this context are wanted. */
  filter: (context: unknown) => boolean;
  /** Whether errors bring their stack. */
  stacks: boolean;
}

function wrap(target: Pino, behaviour: Behaviour): Logger {
  const fieldsOf = (fields: LogFields) => plainFields(fields, behaviour.stacks);
  return {
    debug: (message, fields = {}) => {
      if (!target.isLevelEnabled('debug')) return;
      const context: unknown = fields['context'] ?? target.bindings()['context'];
      if (behaviour.filter(context)) target.debug(fieldsOf(fields), message);
    },
    info: (message, fields = {}) => target.info(fieldsOf(fields), message),
    warn: (message, fields = {}) => target.warn(fieldsOf(fields), message),
    error: (message, fields = {}) => target.error(fieldsOf(fields), message),
    child: (fields) => wrap(target.child(fieldsOf(fields)), behaviour),
  };
}

function lineFormat(options: CreateLoggerOptions, fd: number): (json: string) => string {
  const format = options.format ?? 'auto';
  // Parsed and written again: a field that a child and a call both set must not be there twice.
  if (format === 'json') return (json) => `${JSON.stringify(JSON.parse(json))}\n`;
  const human = format === 'auto' && isatty(fd);
  const colour = options.colour ?? (human && !process.env['NO_COLOR']);
  return (json) => {
    const record = parseRecord(json);
    return human || options.colour === true ? humanLine(record, colour) : textLine(record);
  };
}

function parseRecord(json: string): LogRecord {
  const { level, time, msg, ...fields } = Object.fromEntries(Object.entries<unknown>(JSON.parse(json)));
  return { level: String(level), time: String(time), message: String(msg), fields };
}
