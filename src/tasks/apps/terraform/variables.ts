import { compactJson, isObject, parseJson } from '../../json.ts';
import { textOf, type Variables } from '../../variables.ts';
import type { Shape } from './var-files.ts';

/** The variables of a task by the way they reach the tool; never as an argument (spec 7.1 #23). */
export interface TerraformVariables {
  /** `TF_VAR_name`. */
  env: Record<string, string>;
  /** JSON for a `-var-file`, for what cannot be in the environment or would lose there; undefined when there is none. */
  file: string | undefined;
  /** Names that Terraform could never declare. */
  impossible: string[];
}

/** What the system takes as one `NAME=value`, bytes (MAX_ARG_STRLEN of Linux, with the zero at its end). */
const maxEnvBytes = 128 * 1024 - 1;

/**
 * Sorts the variables of a task. `elsewhere` are those that something stronger than the environment sets: ours must win, as
 * they do in the original. In the file a text stays a text, while the environment's is read as the variable's type wants; so
 * a text that replaces a list or a map is read as JSON where it is some. `onlyFile`: nobody looks into the environment.
 */
export function terraformVariables(
  { groupSecrets, open, surveySecrets }: Variables,
  elsewhere: ReadonlyMap<string, Shape>,
  { onlyFile }: { onlyFile: boolean } = { onlyFile: false },
): TerraformVariables {
  const env: Record<string, string> = {};
  const inFile: Record<string, unknown> = {};
  const impossible: string[] = [];
  const all: Record<string, unknown> = { ...open, ...surveySecrets, ...groupSecrets };
  for (const name of Object.keys(all).toSorted((a, b) => (a < b ? -1 : 1))) {
    const value = all[name];
    if (name === 'semaphore_vars') continue;
    if (!/^[\p{ID_Start}_][\p{ID_Continue}-]*$/u.test(name)) impossible.push(name);
    else if (onlyFile || elsewhere.has(name) || !fitsEnvironment(name, value))
      inFile[name] = typed(value, elsewhere.get(name));
    else env[`TF_VAR_${name}`] = textOf(value);
  }
  return { env, file: Object.keys(inFile).length === 0 ? undefined : compactJson(inFile), impossible };
}

/** Shells drop variables whose names they cannot have themselves; `null` has no text. */
function fitsEnvironment(name: string, value: unknown): boolean {
  if (value === null || !/^[A-Za-z0-9_]+$/.test(name)) return false;
  const text = textOf(value);
  return !text.includes('\0') && Buffer.byteLength(`TF_VAR_${name}=${text}`) < maxEnvBytes;
}

function typed(value: unknown, shape: Shape | undefined): unknown {
  if (typeof value !== 'string' || shape !== 'collection') return value;
  try {
    const parsed = parseJson(value);
    return Array.isArray(parsed) || isObject(parsed) ? parsed : value;
  } catch {
    return value;
  }
}
