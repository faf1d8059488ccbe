/** The words of the original's `--log-level`. FATAL and PANIC leave nothing but the error a command ends with. */
export const logLevels = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'PANIC'] as const;

export type LogLevel = (typeof logLevels)[number];

/** `auto`: coloured lines on a terminal, otherwise plain `text`. */
export type LogFormat = 'auto' | 'text' | 'json';

/** Facts beside the message, named as in spec 3.10: `context`, `task_id`, `status`, `error`, … */
export type LogFields = Readonly<Record<string, unknown>>;

/** The process's own log. Messages are static texts; whatever varies is a field. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
}
