export interface LogRecord {
  level: string;
  /** RFC 3339, UTC. */
  time: string;
  message: string;
  fields: Readonly<Record<string, unknown>>;
}

/** `2026-11-22T10:00:00.000Z INFO Task started context=job_running task_id=7`: for files, journals and grep. */
export function textLine({ level, time, message, fields }: LogRecord): string {
  return `${time} ${level.toUpperCase()} ${oneLine(message)}${pairs(fields, (name) => name)}\n`;
}

/** `10:00:00 INFO  Task started task_id=7`: for eyes; local time, and stacks on lines of their own. */
export function humanLine({ level, time, message, fields }: LogRecord, colour: boolean): string {
  const paint = (style: Style, text: string) => (colour ? `\u001B[${styles[style]}m${text}\u001B[0m` : text);
  const stacks = Object.entries(fields).filter(([name]) => name.endsWith('_stack'));
  const rest = Object.fromEntries(Object.entries(fields).filter(([name]) => !name.endsWith('_stack')));
  const clock = new Date(time).toTimeString().slice(0, 8);
  const head = `${paint('dim', clock)} ${paint(levelStyles[level] ?? 'dim', level.toUpperCase().padEnd(5))}`;
  const line = `${head} ${oneLine(message)}${pairs(rest, (name) => paint('dim', name))}\n`;
  return line + stacks.map(([, stack]) => `${paint('dim', String(stack))}\n`).join('');
}

/** Own codes: `util.styleText` decides about colours by looking at a stream, which is not the one we write to. */
const styles = { dim: 2, gray: 90, green: 32, yellow: 33, red: 31 } as const;

type Style = keyof typeof styles;

const levelStyles: Readonly<Record<string, Style>> = {
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
};

function pairs(fields: Readonly<Record<string, unknown>>, paint: (name: string) => string): string {
  return Object.entries(fields)
    .map(([name, value]) => ` ${paint(`${name}=`)}${quoted(value)}`)
    .join('');
}

/** Bare when it cannot be misread; otherwise a JSON text, which also keeps line breaks and escapes out of the log. */
function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[\w.:/@%+,~-]+$/.test(text) ? text : JSON.stringify(text);
}

function oneLine(message: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must not reach the terminal
  return message.replaceAll(/[\u0000-\u001F\u007F]/g, (char) => JSON.stringify(char).slice(1, -1));
}
