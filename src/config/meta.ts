import * as z from 'zod';

/**
 * What a key carries beside its type. The schema is the single source: the loader, the JSON Schema, the reference page and
 * the example file are all read from it.
 */
export interface KeyMeta {
  /** One or two sentences for the reference page. */
  description: string;
  /** Environment variable that overrides the file. */
  env?: string;
  /** Why there is no variable; a key needs this or `env`. */
  noEnv?: string;
  /** The value is a secret: never shown, and its variable is to be removed from the process's environment. */
  sensitive?: true;
  /** Accepted so that a file of the original loads, but without effect here; says why. */
  unused?: string;
  /** Like `unused`, but whoever sets it expects something that will not happen: a warning says so. */
  unsupported?: string;
  /** Own addition, unknown to the original. */
  own?: true;
  /** 0 or less means "not set"; this is the default then. */
  zeroIsDefault?: number;
  /** Value shown in the example file. */
  example?: unknown;
  /** The default in words, where it depends on other keys. */
  defaultText?: string;
}

export function optionalText(meta: KeyMeta) {
  return z
    .string()
    .optional()
    .meta({ ...meta });
}

export function flag(byDefault: boolean, meta: KeyMeta) {
  return z
    .boolean()
    .default(byDefault)
    .meta({ ...meta });
}

export function choice<const T extends readonly [string, ...string[]]>(
  options: T,
  byDefault: T[number],
  meta: KeyMeta,
) {
  return z
    .enum(options)
    .default(byDefault)
    .meta({ ...meta });
}

export function whole(bounds: { min: number; max: number; byDefault: number }, meta: KeyMeta) {
  return z
    .int()
    .min(bounds.min)
    .max(bounds.max)
    .default(bounds.byDefault)
    .meta({ ...meta });
}

/** A number of the original, where 0 or less stands for "not set": files it wrote contain such zeros. */
export function wholeOrZero(bounds: { byDefault: number }, meta: KeyMeta) {
  return z
    .int()
    .max(2_147_483_647)
    .transform((value) => (value <= 0 ? bounds.byDefault : value))
    .default(bounds.byDefault)
    .meta({ ...meta, zeroIsDefault: bounds.byDefault });
}

/** An id of the original: 0 stands for none. */
export function optionalId(meta: KeyMeta) {
  return z
    .int()
    .min(0)
    .max(4_294_967_295)
    .transform((value) => (value === 0 ? undefined : value))
    .optional()
    .meta({ ...meta });
}

export function textList(meta: KeyMeta) {
  return z
    .array(z.string())
    .default([])
    .meta({ ...meta });
}

export function textMap(meta: KeyMeta) {
  return z
    .record(z.string(), z.string())
    .default({})
    .meta({ ...meta });
}
