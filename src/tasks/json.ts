/**
 * JSON whose numbers stay as they were written: `12345678901234567890` and `1.10` are identifiers and versions to those who
 * type them into a variable, and a float would change them.
 */
export class JsonNumber {
  /** As in the document. */
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** In plain decimals: `1e6` is a number to us and a word to a shell script, and to YAML. */
  toString(): string {
    const match = /^(-?)(\d+)(?:\.(\d+))?[eE]([+-]?\d+)$/.exec(this.text);
    if (!match) return this.text;
    const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
    const shift = Number(exponent);
    // Beyond what a float can hold nobody wants the zeros.
    if (Math.abs(shift) > 400) return this.text;
    const digits = whole + fraction;
    const point = whole.length + shift;
    const before = digits
      .slice(0, Math.max(0, point))
      .padEnd(Math.max(0, point), '0')
      .replace(/^0+(?=\d)/, '');
    const after = ('0'.repeat(Math.max(0, -point)) + digits.slice(Math.max(0, point))).replace(/0+$/, '');
    return `${sign}${before === '' ? '0' : before}${after === '' ? '' : `.${after}`}`;
  }
}

const tokens = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Parses a JSON document; numbers become JsonNumber. Throws SyntaxError. */
export function parseJson(text: string): unknown {
  JSON.parse(text);
  // Every string gets an `s` in front, names included, and every number becomes a string with an `n`.
  const marked = text.replaceAll(tokens, (token) => (token.startsWith('"') ? `"s${token.slice(1)}` : `"n${token}"`));
  return JSON.parse(marked, (_name, value: unknown) => {
    if (typeof value === 'string') return value.startsWith('n') ? new JsonNumber(value.slice(1)) : value.slice(1);
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name.slice(1), entry]));
  });
}

/** The inverse, without white space; numbers in plain decimals. */
export function compactJson(value: unknown): string {
  if (value instanceof JsonNumber) return value.toString();
  if (Array.isArray(value)) return `[${value.map(compactJson).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value ?? null);
  return `{${Object.entries(value)
    .map(([name, entry]) => `${JSON.stringify(name)}:${compactJson(entry)}`)
    .join(',')}}`;
}

/** An object of a document, as opposed to a list, a number or null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber);
}
