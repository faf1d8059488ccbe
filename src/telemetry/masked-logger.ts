import type { LogFields, Logger } from './types.ts';

/**
 * A logger that shows every message and every field to `mask` first: for somebody who knows secrets that the log as a whole
 * does not, as a task does.
 */
export function maskedLogger(logger: Logger, mask: (text: string) => string): Logger {
  const fieldsOf = (fields: LogFields = {}): LogFields => maskedFields(fields, mask);
  return {
    debug: (message, fields) => logger.debug(mask(message), fieldsOf(fields)),
    info: (message, fields) => logger.info(mask(message), fieldsOf(fields)),
    warn: (message, fields) => logger.warn(mask(message), fieldsOf(fields)),
    error: (message, fields) => logger.error(mask(message), fieldsOf(fields)),
    child: (fields) => maskedLogger(logger.child(fieldsOf(fields)), mask),
  };
}

function maskedFields(fields: LogFields, mask: (text: string) => string): LogFields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, maskedValue(value, mask)]));
}

function maskedValue(value: unknown, mask: (text: string) => string): unknown {
  if (typeof value === 'string') return mask(value);
  if (value instanceof Error) return maskedError(value, mask);
  if (Array.isArray(value)) return value.map((item) => maskedValue(item, mask));
  return typeof value === 'object' && value !== null ? maskedFields({ ...value }, mask) : value;
}

function maskedError(error: Error, mask: (text: string) => string): Error {
  const copy = new Error(mask(error.message));
  if (error.stack !== undefined) copy.stack = mask(error.stack);
  return copy;
}
