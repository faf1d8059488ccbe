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
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([name, entry]) => `${quoted(name)}: ${valueText(entry)}`)
      .join(', ')}}`;
  }
  return JSON.stringify(value ?? null);
}

/** A YAML reader knows no surrogate pairs as escapes, and takes some line ends of Unicode for its own. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(/[\u0085\u2028\u2029\ufeff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
