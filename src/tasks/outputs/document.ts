import { createMasker } from '../../logs/index.ts';
import { compactJson, isObject, parseJson } from '../json.ts';
import { TaskProblem } from '../problem.ts';

/** Limits of the outputs of one task (spec 5.13), which servers check again. */
export const outputLimits = { bytes: 256 * 1024, outputs: 100, valueBytes: 32 * 1024 } as const;

/** Why an output is left out (spec 5.13). */
export type SkipReason = 'sensitive' | 'too_large' | 'invalid_name' | 'limit';

/** What a tool tells of one output. */
export interface Output {
  name: string;
  /** As `parseJson` gives it. */
  value: unknown;
  /** The tool itself says that it is not to be shown. */
  sensitive: boolean;
}

export interface OutputsDocument {
  /** `{"values":…,"skipped":…}` without white space; undefined when there is nothing to hand on. */
  text: string | undefined;
  skipped: Readonly<Record<string, SkipReason>>;
}

/** Secrets of the task: a value with one of them in it, in any form in which the log would mask it, is not handed on. */
export interface KnownSecrets {
  values: Iterable<string>;
  minLength: number;
}

/**
 * The document of what a process wrote as its outputs: one JSON object, all of it acceptable; empty means none. Throws
 * TaskProblem when it is anything else.
 */
export function strictDocument(text: string, secrets: KnownSecrets): OutputsDocument {
  if (text.trim() === '') return { text: undefined, skipped: {} };
  const outputs = Object.entries(parsed(text)).map(([name, value]) => ({ name, value, sensitive: false }));
  if (outputs.length > outputLimits.outputs) {
    throw invalidOutputs(`there are ${outputs.length}, and ${outputLimits.outputs} is the most`);
  }
  const document = lenientDocument(outputs, secrets);
  for (const [name, reason] of Object.entries(document.skipped)) {
    if (reason === 'sensitive') continue;
    throw invalidOutputs(`${JSON.stringify(name.slice(0, 64))} ${mistakes[reason]}`);
  }
  return document;
}

const mistakes: Readonly<Record<Exclude<SkipReason, 'sensitive'>, string>> = {
  invalid_name: 'cannot be a name: letters, digits, "_" and "-", and a letter or "_" in front',
  too_large: `is larger than ${outputLimits.valueBytes} bytes`,
  limit: `makes all of them together larger than ${outputLimits.bytes} bytes`,
};

/** The document of what a tool tells by itself: what cannot be handed on is left out and named. */
export function lenientDocument(outputs: readonly Output[], secrets: KnownSecrets): OutputsDocument {
  const masker = createMasker(secrets.values, secrets.minLength);
  const values: string[] = [];
  const skipped: [string, SkipReason][] = [];
  let size = Buffer.byteLength('{"values":{},"skipped":{}}');
  for (const { name, value, sensitive } of outputs) {
    const text = compactJson(value);
    const entry = `${JSON.stringify(name)}:${text}`;
    const full = values.length >= outputLimits.outputs || size + Buffer.byteLength(entry) + 1 > outputLimits.bytes;
    const secret = sensitive || masker.mask(text) !== text;
    const reason = mistakeIn(name, text) ?? (secret ? 'sensitive' : full ? 'limit' : undefined);
    if (reason === undefined) values.push(entry);
    else skipped.push([name, reason]);
    size += 1 + Buffer.byteLength(reason === undefined ? entry : `${JSON.stringify(name)}:"${reason}"`);
  }
  const reasons = Object.fromEntries(skipped);
  const text = `{"values":{${values.join(',')}},"skipped":${JSON.stringify(reasons)}}`;
  return { text: outputs.length === 0 ? undefined : text, skipped: reasons };
}

function mistakeIn(name: string, text: string): SkipReason | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(name)) return 'invalid_name';
  return Buffer.byteLength(text) > outputLimits.valueBytes ? 'too_large' : undefined;
}

function parsed(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(text);
    // Thousands of lists inside each other parse, and cannot be written again.
    compactJson(value);
  } catch {
    throw invalidOutputs('the file is not JSON');
  }
  if (!isObject(value)) throw invalidOutputs('the file is not a JSON object');
  return value;
}

/** What to throw when outputs are not acceptable. */
export function invalidOutputs(reason: string): TaskProblem {
  return new TaskProblem(
    'outputs',
    `Invalid task outputs: ${reason}`,
    'Write one JSON object, {"name": value, …}, to $SEMAPHORE_OUTPUTS_FILE.',
  );
}
