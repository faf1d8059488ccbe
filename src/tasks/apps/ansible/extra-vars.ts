import { isObject, JsonNumber } from '../../json.ts';

/**
 * A file for `--extra-vars @…`: a YAML mapping with sorted keys in which every string, at any depth, is tagged `!unsafe`, so
 * that values are data and never Jinja (spec 5.7). Strings are written as JSON, which is YAML's double-quoted form.
 */
export function extraVarsFile(values: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(values).toSorted((a, b) => (a < b ? -1 : 1));
  if (names.length === 0) return '{}\n';
  return names.map((name) => `${quoted(name)}: ${valueText(values[name])}\n`).join('');
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return `!unsafe ${quoted(value)}`;
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`;
  if (value instanceof JsonNumber) return value.toString();
  if (isObject(value)) {
    return `{${Object.entries(value)
      .map(([name, entry]) => `${quoted(name)}: ${valueText(entry)}`)
      .join(', ')}}`;
  }
  return JSON.stringify(value ?? null);
}

/**
 * JSON's form of a string, and YAML's double-quoted one. What is no printable ASCII is escaped: YAML refuses some characters
 * and takes others (U+0085, U+2028) for line ends. It knows no surrogate pairs, and a lone one is no character at all.
 */
function quoted(text: string): string {
  const wellFormed = Buffer.from(text, 'utf8').toString('utf8');
  return JSON.stringify(wellFormed).replaceAll(/[^\u0020-\u007e]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
