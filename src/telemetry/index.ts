export { createLogger, type CreateLoggerOptions } from './logger.ts';
export { maskedLogger } from './masked-logger.ts';
export { logLevels, type LogFields, type LogFormat, type Logger, type LogLevel } from './types.ts';
