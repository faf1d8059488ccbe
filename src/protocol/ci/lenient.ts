import * as z from 'zod';

/**
 * Building blocks of the models, with the manners of the decoder that the servers were written against (spec CI 2.1, 4.1): unknown
 * keys are ignored, keys match whatever their case (the exact one wins), `null` or a missing key is the zero value, and a value of
 * another type is an error.
 */

type Fields = Record<string, z.ZodType>;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Absent and null are "". */
export const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');

/** Absent and null are 0. */
export const int = z
  .int()
  .nullish()
  .transform((value) => value ?? 0);

/** Absent and null are []. */
export function list<Item extends z.ZodType>(item: Item) {
  return z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);
}

/** Absent and null are the object of zero values. */
export function object<const Shape extends Fields>(shape: Shape) {
  const names = Object.keys(shape);
  const byFolded = new Map(names.map((name) => [name.toLowerCase(), name]));

  function read(wire: unknown): unknown {
    if (wire === undefined || wire === null) return {};
    if (!isObject(wire)) return wire;
    const values: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(wire)) {
      const name = byFolded.get(key.toLowerCase());
      if (name !== undefined && (key === name || !Object.hasOwn(wire, name))) values[name] = value;
    }
    return values;
  }

  return z.preprocess(read, z.object(shape));
}

/** "commands[0].directive: expected string, received number": the first issue, at its place. Values are not quoted: they may be secret. */
export function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  if (!issue) return 'not as expected';
  const path = issue.path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
  const message = issue.message.replace(/^Invalid input: /, '');
  return path === '' ? message : `${path}: ${message}`;
}
