import { UserError } from '../lib/index.ts';
import type { LogLevel } from '../telemetry/index.ts';

/** Complete by its type. The list of the telemetry room would bring its logging library into `--help`. */
const levels: Readonly<Record<LogLevel, true>> = {
  DEBUG: true,
  INFO: true,
  WARN: true,
  ERROR: true,
  FATAL: true,
  PANIC: true,
};

/** Reads a level in any case. Throws UserError for an unknown word. */
export function parseLogLevel(text: string): LogLevel {
  const wanted = text.trim().toUpperCase();
  for (const level of logLevelNames) if (level === wanted) return level;
  throw new UserError(`unknown log level ${JSON.stringify(text)}`, { hint: `Use one of ${logLevelNames.join(', ')}.` });
}

export const logLevelNames = [
  'DEBUG',
  'INFO',
  'WARN',
  'ERROR',
  'FATAL',
  'PANIC',
] as const satisfies (keyof typeof levels)[];
