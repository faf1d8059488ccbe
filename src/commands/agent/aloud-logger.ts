import { warn } from '../../cli/index.ts';
import type { LogFields, Logger } from '../../telemetry/index.ts';

/** A logger whose warnings and errors are told on standard error as well. */
export function aloudLogger(logger: Logger): Logger {
  return {
    debug: (message, fields) => logger.debug(message, fields),
    info: (message, fields) => logger.info(message, fields),
    warn: (message, fields) => {
      logger.warn(message, fields);
      warn(textOf(message, fields));
    },
    error: (message, fields) => {
      logger.error(message, fields);
      warn(textOf(message, fields));
    },
    child: (fields) => aloudLogger(logger.child(fields)),
  };
}

function textOf(message: string, fields: LogFields = {}): string {
  const facts = Object.entries(fields)
    .filter(([name, value]) => name !== 'job' && (typeof value === 'string' || typeof value === 'number'))
    .map(([name, value]) => `${name}: ${String(value)}`);
  return facts.length === 0 ? message : `${message} (${facts.join(', ')})`;
}
