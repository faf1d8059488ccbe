import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import * as z from 'zod';
import { codeOf } from '../lib/index.ts';
import { knownKeys } from './server-problems.ts';

/** Where the parts of a server file that point elsewhere are looked up. */
export interface ServerFileContext {
  /** Directory of the file; relative paths in it start here. */
  baseDir: string;
  env: Readonly<Record<string, string | undefined>>;
}

/** An object that refuses keys it does not know, and names the nearest one it does. */
export function strict<T extends z.core.$ZodLooseShape>(shape: T) {
  return z.strictObject(shape, { error: knownKeys(shape) });
}

/** A secret is small; a larger file is the wrong file. */
const maxSecretBytes = 1_048_576;

export function text(description: string, example?: string) {
  return z
    .string()
    .min(1)
    .meta({ description, ...(example === undefined ? {} : { examples: [example] }) });
}

/** A text that may be absent, or written as a key without value. */
export function optionalText(description: string) {
  return z
    .string()
    .nullish()
    .transform((value) => (value === null || value === '' ? undefined : value))
    .meta({ description });
}

export function flag(byDefault: boolean, description: string) {
  return z.boolean().default(byDefault).meta({ description });
}

export function whole(bounds: { min: number; max: number; byDefault: number }, description: string) {
  return z.int().min(bounds.min).max(bounds.max).default(bounds.byDefault).meta({ description });
}

/** A list that may be absent, or written as a key without value. */
export function list<T extends z.ZodType>(item: T, description: string) {
  return z
    .array(item)
    .nullish()
    .transform((value) => value ?? [])
    .meta({ description });
}

export const id = z.int().min(1).max(2_147_483_647).optional().meta({
  description:
    'Number of the object in URLs and on the wire. Left out, one is chosen once and remembered under the name.',
});

export const name = text('Unique among its kind within the project; other objects refer to it by this name.');

/** `{NAME: value}`, where numbers and booleans become the text that a process would see. */
export function environmentMap(description: string) {
  return z
    .record(
      z.string(),
      z.union([z.string(), z.number(), z.boolean()], { error: 'expected a text, a number, true or false' }),
    )
    .nullish()
    .transform((value) => Object.fromEntries(Object.entries(value ?? {}).map(([key, item]) => [key, String(item)])))
    .meta({ description });
}

/** Any mapping; what is in it is data for the task. */
export function dataMap(description: string) {
  return z
    .record(z.string(), z.unknown())
    .nullish()
    .transform((value) => value ?? {})
    .meta({ description });
}

/** A secret: written inline, or fetched when the file is read from `{file: path}` or `{env: NAME}`. */
export function secret(context: ServerFileContext, description: string) {
  return z
    .union([z.string(), z.strictObject({ file: z.string().min(1) }), z.strictObject({ env: z.string().min(1) })], {
      error: 'expected a text in quotes, { file: path } or { env: NAME }',
    })
    .transform(async (source, ctx) => {
      const found = await fetchSecret(source, context);
      if (found.problem === undefined) return found.value;
      ctx.addIssue({ code: 'custom', message: found.problem });
      return z.NEVER;
    })
    .meta({ description: `${description} Secret: text, \`{ file: path }\` or \`{ env: NAME }\`.` });
}

type Fetched = { value: string; problem?: undefined } | { value?: undefined; problem: string };

async function fetchSecret(
  source: string | { file: string } | { env: string },
  context: ServerFileContext,
): Promise<Fetched> {
  if (typeof source === 'string') return { value: source };
  if ('env' in source) {
    const value = context.env[source.env];
    return value === undefined ? { problem: `the environment variable ${source.env} is not set` } : { value };
  }
  const path = resolvePath(source.file, context.baseDir);
  try {
    const { size } = await stat(path);
    if (size > maxSecretBytes) return { problem: `the file ${path} is too large for a secret (${size} bytes)` };
    // The line break that editors put at the end is not part of a password.
    return { value: (await readFile(path, 'utf8')).replace(/\r?\n$/, '') };
  } catch (error: unknown) {
    const reason = codeOf(error);
    if (reason === 'ENOENT') return { problem: `the file ${path} does not exist` };
    if (reason === 'EACCES') return { problem: `the file ${path} may not be read by this user` };
    return { problem: `the file ${path} cannot be read: ${reason ?? String(error)}` };
  }
}

/** `~` and paths relative to the server file become absolute. */
export function resolvePath(path: string, baseDir: string): string {
  if (path === '~') return homedir();
  if (path.startsWith('~/')) return join(homedir(), path.slice(2));
  return isAbsolute(path) ? path : resolve(baseDir, path);
}
