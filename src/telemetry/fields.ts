import type { LogFields } from './types.ts';

/** Names pino writes itself; a field of that name would give a line two of them. */
const reserved = new Set(['level', 'time', 'msg']);

/** Makes fields printable: an Error becomes its message (and its stack when asked for), undefined disappears. */
export function plainFields(fields: LogFields, stacks: boolean): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const name = reserved.has(key) ? `${key}_` : key;
    if (value instanceof Error) {
      result[name] = value.message;
      if (stacks && value.stack !== undefined) result[`${name}_stack`] = value.stack;
    } else {
      result[name] = typeof value === 'bigint' ? String(value) : value;
    }
  }
  return result;
}
