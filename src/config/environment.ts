import { checkLayer } from './check-layer.ts';
import { runnerKeyTable, type ConfigKey, type SchemaNode } from './key-table.ts';
import { foreignRunnerVariables, registrationTokenVariable, serverSecretVariables } from './foreign-keys.ts';
import { locatedError } from './located-error.ts';
import { mergeLayers, nest } from './merge.ts';
import { nearestKey } from './nearest.ts';
import { isObject, normalise } from './normalise.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvironmentLayer {
  value: Record<string, unknown>;
  /** Variable by dotted key. */
  sources: ReadonlyMap<string, string>;
  warnings: readonly string[];
  /** Variables that hold secrets and are set. */
  sensitive: readonly string[];
}

/** Reads every variable of the schema (spec 2.2). Throws ConfigError for a malformed one. */
export function readEnvironment(env: Environment): EnvironmentLayer {
  const { root, withVariable } = runnerKeyTable();
  const sources = new Map<string, string>();
  const warnings: string[] = [];
  let value: Record<string, unknown> = {};
  for (const entry of withVariable) {
    const name = entry.schema.env ?? '';
    const text = env[name];
    if (text === undefined) continue;
    const parsed = parseVariable(name, text, entry, warnings);
    if (parsed === undefined) continue;
    const origin = { source: `environment variable ${name}`, positionOf: () => undefined };
    const layer = normalise(nest(entry.path, parsed), root);
    for (const { dotted } of layer.unknown) warnings.push(`${origin.source}: unknown key ${dotted}`);
    checkLayer(layer.value, origin);
    value = mergeLayers(value, layer.value, root);
    for (const dotted of layer.spelling.keys()) sources.set(dotted, name);
  }
  return { value, sources, warnings: [...warnings, ...mistypedVariables(env)], sensitive: sensitiveVariables(env) };
}

function parseVariable(name: string, text: string, { dotted, schema }: ConfigKey, warnings: string[]): unknown {
  switch (schema.type) {
    case 'boolean':
      return parseBoolean(name, text, warnings);
    case 'integer':
    case 'number': {
      // An empty variable is what `${X:-}` in a compose file gives; the original aborts on it.
      if (text.trim() === '') return undefined;
      return /^\s*[+-]?\d+(\.\d+)?\s*$/.test(text) ? Number(text) : text;
    }
    case 'array':
    case 'object':
      return text.trim() === '' ? undefined : parseJson(name, text, dotted, schema);
    default:
      return text;
  }
}

function parseBoolean(name: string, text: string, warnings: string[]): boolean {
  const word = text.trim().toLowerCase();
  if (['1', 'true', 'yes'].includes(word)) return true;
  if (!['0', 'false', 'no', 'off', ''].includes(word)) {
    warnings.push(
      `environment variable ${name} is ${JSON.stringify(text)}, which counts as false; write true or false`,
    );
  }
  return false;
}

function parseJson(name: string, text: string, key: string, schema: SchemaNode): unknown {
  const isList = schema.type === 'array';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (isList ? Array.isArray(value) : isObject(value)) return value;
  const words = JSON.stringify(text.split(',').map((word) => word.trim()));
  const example = isList ? (text.includes('[') ? '["a","b"]' : words) : exampleObject(schema);
  throw locatedError(`${key} is not a JSON ${isList ? 'list' : 'object'}`, {
    source: `environment variable ${name}`,
    key,
    hint: `Write it like this: ${name}='${example}'.`,
  });
}

function exampleObject(schema: SchemaNode): string {
  if (schema.additionalProperties?.type === 'string') return '{"A":"1"}';
  return schema.properties ? '{"type":"local"}' : '{"bash":{"path":"/bin/bash"}}';
}

function mistypedVariables(env: Environment): string[] {
  const prefix = 'SEMAPHORE_RUNNER_';
  const known = [
    ...runnerKeyTable().withVariable.map(({ schema }) => schema.env ?? ''),
    ...foreignRunnerVariables,
    registrationTokenVariable,
  ];
  return Object.keys(env)
    .filter((name) => name.startsWith(prefix) && env[name] !== undefined && !known.includes(name))
    .map((name) => {
      const nearest = nearestKey(name, known);
      return `unknown environment variable ${name}${nearest ? `; did you mean ${nearest.toUpperCase()}?` : ''}`;
    });
}

function sensitiveVariables(env: Environment): string[] {
  const own = runnerKeyTable().withVariable.flatMap(({ schema }) =>
    schema.sensitive && schema.env ? [schema.env] : [],
  );
  return [...own, registrationTokenVariable, ...serverSecretVariables].filter((name) => env[name] !== undefined);
}
