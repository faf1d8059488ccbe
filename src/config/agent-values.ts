import { isObject } from './normalise.ts';
import type { AgentValueKind } from './agent-keys.ts';

/**
 * How a value may be written, and what it then is (spec CI 1.5). What cannot be read is `undefined`: whoever asks knows the key and
 * where it stands.
 */
export type AgentValue = string | number | boolean | readonly string[];

/** As the original's parser of switches: these spellings and no others. */
export function readSwitch(text: string): boolean | undefined {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  return /^(0|f|F|FALSE|false|False)$/.test(text) ? false : undefined;
}

export function readNumber(text: string): number | undefined {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Separated by whitespace, whatever else is in the items. */
export function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

/** One line of comma separated values; an item that holds a comma stands in double quotes, which are doubled inside. */
export function readCsv(text: string): string[] | undefined {
  if (text === '') return [];
  const items: string[] = [];
  let rest = text;
  for (;;) {
    const [whole, quoted, bare] = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(?=,|$)/.exec(rest) ?? [];
    if (whole === undefined) return undefined;
    items.push(quoted === undefined ? (bare ?? '') : quoted.replaceAll('""', '"'));
    if (whole.length === rest.length) return items;
    rest = rest.slice(whole.length + 1);
  }
}

/** From an environment variable; empty means not set and is not asked here. */
export function fromVariable(text: string, kind: AgentValueKind): AgentValue | undefined {
  switch (kind) {
    case 'switch':
      return readSwitch(text.trim());
    case 'number':
      return readNumber(text.trim());
    case 'list':
      return words(text);
    default:
      return text;
  }
}

/** From a file: typed, or as text. */
export function fromFile(value: unknown, kind: AgentValueKind): AgentValue | undefined {
  if (kind === 'list') {
    if (Array.isArray(value)) return value.every(isScalar) ? value.map(String) : undefined;
    return isScalar(value) ? words(String(value)) : undefined;
  }
  if (!isScalar(value)) return undefined;
  if (kind === 'text') return String(value);
  if (kind === 'number') return readNumber(String(value).trim());
  return typeof value === 'number' ? readSwitch(String(value)) : readSwitch(String(value).trim());
}

/** From flags: every time it was given. The last one counts; items of lists add up. */
export function fromFlags(given: readonly string[], kind: AgentValueKind): AgentValue | undefined {
  if (kind === 'list') {
    const lists = given.map(readCsv);
    return lists.includes(undefined) ? undefined : lists.flatMap((list) => list ?? []);
  }
  const last = given.at(-1) ?? '';
  return kind === 'text' ? last : kind === 'number' ? readNumber(last) : readSwitch(last);
}

function isScalar(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value) && !isObject(value);
}
