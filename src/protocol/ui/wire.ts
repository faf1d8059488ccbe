import * as z from 'zod';

/**
 * Building blocks of the wire models, with the manners of the decoder that the servers were written against (spec 3.1): keys match
 * whatever their case, unknown keys are ignored, `null` or a missing key is the zero value. Each block is a zod codec, so the same
 * model that reads tolerantly also writes with the exact casing. Inside, names are camelCase; wire names stop here.
 */

type Fields = Record<string, z.ZodType>;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const wireObject = z.custom<Record<string, unknown>>(isObject, { error: 'expected an object' });

export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * A model: fields under their camelCase names, each read from and written to the snake_case of its name, or to the name that
 * `wireNames` gives. The exact casing wins over another casing of the same key. Fields are written in the order declared;
 * undefined ones are left out.
 */
export function model<const Shape extends Fields>(shape: Shape, wireNames: { [Key in keyof Shape]?: string } = {}) {
  const fields = Object.keys(shape).map((own) => ({ own, wire: wireNames[own] ?? snakeCase(own) }));
  const byExact = new Map(fields.map(({ own, wire }) => [wire, own]));
  const byFolded = new Map(fields.map(({ own, wire }) => [wire.toLowerCase(), own]));

  function decode(wire: Record<string, unknown>): Record<string, unknown> {
    const values: Record<string, unknown> = {};
    for (const { own } of fields) values[own] = undefined;
    for (const key of Object.keys(wire)) {
      const own = byFolded.get(key) ?? byFolded.get(key.toLowerCase());
      if (own !== undefined && (values[own] === undefined || byExact.has(key))) values[own] = wire[key];
    }
    return values;
  }

  function encode(values: Record<string, unknown>): Record<string, unknown> {
    const wire: Record<string, unknown> = {};
    for (const { own, wire: name } of fields) if (values[own] !== undefined) wire[name] = values[own];
    return wire;
  }

  return z.codec(wireObject, z.object(shape), {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the inner object validates what the renaming gives; types cannot express "the same fields, other names"
    decode: decode as (wire: Record<string, unknown>) => z.input<z.ZodObject<Shape>>,
    encode,
  });
}

/** Whatever JSON gave; optional so that a model may be written without the keys that are optional inside. */
const wireValue = z.unknown().optional();

/** A field that reads with `read` what JSON gave (undefined when absent) and writes with `write`. */
function field<Out extends z.ZodType>(
  out: Out,
  read: (wire: unknown) => unknown,
  write: (value: unknown) => unknown,
): z.ZodCodec<typeof wireValue, Out> {
  return z.codec(wireValue, out, {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `out` validates it in the next step
    decode: (wire) => read(wire) as z.input<Out>,
    encode: (value) => write(value),
  });
}

const same = (value: unknown): unknown => value;
const orNull = (value: unknown): unknown => value ?? null;

/** Old proxies and hand-written clients quote numbers; a quoted integer can mean nothing else. */
function readInt(wire: unknown): unknown {
  return typeof wire === 'string' && /^-?\d{1,15}$/.test(wire) ? Number(wire) : wire;
}

const readOptionalInt = (wire: unknown): unknown => readInt(wire) || undefined;
const readOptionalText = (wire: unknown): unknown => (wire === null || wire === '' ? undefined : wire);

/** Always there; zero when absent. */
export const int = field(z.int(), (wire) => readInt(wire) ?? 0, same);
/** An id that must be there. */
export const requiredId = field(z.int().positive({ error: 'expected an id' }), (wire) => readInt(wire) ?? 0, same);
/** A reference or level: absent, null and 0 are undefined. Not written when undefined. */
export const optionalInt = field(z.int().optional(), readOptionalInt, same);
/** As `optionalInt`, but written as `null`. */
export const nullableInt = field(z.int().optional(), readOptionalInt, orNull);
/** Always there; "" when absent. */
export const text = field(z.string(), (wire) => wire ?? '', same);
/** Absent, null and "" are undefined. Not written when undefined. */
export const optionalText = field(z.string().optional(), readOptionalText, same);
/** As `optionalText`, but written as `null`. */
export const nullableText = field(z.string().optional(), readOptionalText, orNull);
/** False when absent; always written. */
export const flag = field(z.boolean(), (wire) => wire ?? false, same);
/** Undefined when absent. */
export const maybeFlag = field(z.boolean().optional(), (wire) => wire ?? undefined, same);
/** False when absent; written only when true. */
export const optionalFlag = field(
  z.boolean(),
  (wire) => wire ?? false,
  (value) => value || undefined,
);

/** One of a few words; `zero` when absent or empty. */
export function choice<const Word extends string>(words: readonly Word[], zero: NoInfer<Word>) {
  return field(z.enum(words), (wire) => wire || zero, same);
}

/** A list; empty when absent or null. Written even when empty. */
export function list<Item extends z.ZodType>(item: Item) {
  return field(z.array(item), (wire) => wire ?? [], same);
}

/** As `list`, but not written when empty. */
export function optionalList<Item extends z.ZodType>(item: Item) {
  return field(
    z.array(item),
    (wire) => wire ?? [],
    (value) => (Array.isArray(value) && value.length === 0 ? undefined : value),
  );
}

/** A list where `null` (undefined here: "not given") means something else than `[]` ("given, and empty"). */
export function nullableList<Item extends z.ZodType>(item: Item) {
  return field(z.array(item).optional(), (wire) => wire ?? undefined, orNull);
}

/** A nested model; its zero value when absent. */
export function nested<Model extends z.ZodType>(inner: Model): z.ZodCodec<typeof wireValue, Model> {
  return field(inner, (wire) => wire ?? {}, same);
}

/** A nested model that may be missing; written as `null`. */
export function nullableNested<Model extends z.ZodType>(inner: Model) {
  return field(inner.optional(), (wire) => wire ?? undefined, orNull);
}

/** A text or a list of texts; undefined when absent. */
export const optionalTexts = field(
  z.union([z.string(), z.array(z.string())]).optional(),
  (wire) => wire ?? undefined,
  same,
);

/** Anything: kept for a second look (`params`, whose fields depend on the app). */
export const anything = field(z.unknown().optional(), (wire) => wire ?? undefined, same);

/** "task.template_id: expected number, received string": the first issue of an error, at its place on the wire. */
export function describeIssue(error: z.ZodError, at: string): string {
  const [issue] = error.issues;
  if (!issue) return `${at}: not as expected`;
  const path = issue.path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${snakeCase(String(part))}`))
    .join('');
  return `${at}${path}: ${issue.message.replace(/^Invalid input: /, '')}`;
}
