import type { LogFields } from '../telemetry/index.ts';

export interface AgentLogRecord {
  at: Date;
  /** "" for none. */
  name: string;
  message: string;
  fields: LogFields;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * One line as the original writes it (spec CI 1.3): `Aug 11 21:07:26.242 my-agent k=v : message`. Its time is UTC; the level is not told. A
 * line break in the message would begin a line without time: it is written as `\n`.
 */
export function agentLogLine({ at, name, message, fields }: AgentLogRecord): string {
  const parts = [
    timeText(at),
    ...(name === '' ? [] : [name]),
    ...Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}=${fieldText(value)}`),
  ];
  return `${parts.join(' ')} : ${inOneLine(message)}`;
}

function timeText(at: Date): string {
  const day = String(at.getUTCDate()).padStart(2, ' ');
  return `${months[at.getUTCMonth()] ?? ''} ${day} ${at.toISOString().slice(11, 23)}`;
}

function fieldText(value: unknown): string {
  const text =
    value instanceof Error
      ? value.message
      : typeof value === 'string'
        ? value
        : (JSON.stringify(value) ?? String(value));
  return text === '' || /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}

function inOneLine(text: string): string {
  return text.replaceAll('\r', String.raw`\r`).replaceAll('\n', String.raw`\n`);
}
