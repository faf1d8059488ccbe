import * as z from 'zod';
import type { KeyMeta } from './meta.ts';
import { runnerFileSchema } from './runner-schema.ts';

/** What is used of a JSON Schema; the keys of `KeyMeta` are in it too. */
export interface SchemaNode extends Partial<KeyMeta> {
  type?: string;
  enum?: readonly string[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  default?: unknown;
  properties?: Readonly<Record<string, SchemaNode>>;
  additionalProperties?: SchemaNode;
  items?: SchemaNode;
}

/** One key that holds a value (not a mere section), for example `runner.connection.skip_tls_verify`. */
export interface ConfigKey {
  /** `<name>` stands for any name, as in `apps.<name>.path`. */
  path: readonly string[];
  dotted: string;
  schema: SchemaNode;
}

export interface KeyTable {
  root: SchemaNode;
  /** Every key, in the order of the schema. */
  keys: readonly ConfigKey[];
  /** Every dotted key, sections included. */
  names: readonly string[];
  /** Keys that have a variable; sections (such as `runner.executor`) come before their parts. */
  withVariable: readonly ConfigKey[];
}

/** The schema as a table. Computed on first use: it costs a few milliseconds that `--help` should not pay. */
export function runnerKeyTable(): KeyTable {
  table ??= build();
  return table;
}

let table: KeyTable | undefined;

function build(): KeyTable {
  const described: object = z.toJSONSchema(runnerFileSchema, { io: 'input' });
  const root = toSchemaNode(described);
  const all = [...walk([], root)];
  return {
    root,
    keys: all.filter(({ schema }) => schema.properties === undefined),
    names: all.map(({ dotted }) => dotted),
    withVariable: all.filter(({ schema }) => schema.env !== undefined),
  };
}

/** The library leaves out the default of a value that is transformed on its way in. */
function toSchemaNode(node: SchemaNode): SchemaNode {
  const { properties, zeroIsDefault } = node;
  return {
    ...node,
    ...(zeroIsDefault === undefined ? {} : { default: zeroIsDefault }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, child]) => [name, toSchemaNode(child)]),
          ),
        }),
  };
}

function* walk(path: readonly string[], schema: SchemaNode): Generator<ConfigKey> {
  if (path.length > 0) yield { path, dotted: path.join('.'), schema };
  for (const [name, child] of Object.entries(schema.properties ?? {})) yield* walk([...path, name], child);
  if (schema.additionalProperties?.properties) {
    for (const [name, child] of Object.entries(schema.additionalProperties.properties)) {
      yield* walk([...path, '<name>', name], child);
    }
  }
}

/** What a value of this key must look like, in words that complete "expected …". */
export function expectationOf(schema: SchemaNode): string {
  if (schema.pattern !== undefined) return `text such as ${JSON.stringify(schema.example)}`;
  if (schema.enum) return `one of ${schema.enum.join(', ')}`;
  switch (schema.type) {
    case 'boolean':
      return 'true or false';
    case 'string':
      return 'text in quotes';
    case 'integer':
      return `a whole number${bounds(schema)}`;
    case 'number':
      return `a number${bounds(schema)}`;
    case 'array':
      return `a list of texts, for example ["a", "b"]`;
    case 'object':
      return schema.additionalProperties?.type === 'string' ? 'an object with texts as values' : 'an object';
    default:
      return 'another value';
  }
}

function bounds({ minimum, maximum }: SchemaNode): string {
  const low = minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const high = maximum === undefined || maximum >= 2_147_483_647 ? undefined : maximum;
  if (low !== undefined && high !== undefined) return ` from ${low} to ${high}`;
  if (low !== undefined) return ` of at least ${low}`;
  return high === undefined ? '' : ` of at most ${high}`;
}
