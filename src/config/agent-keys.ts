import * as z from 'zod';
import { agentSchema, type AgentKey } from './agent-schema.ts';
import type { SchemaNode } from './key-table.ts';

/** What a value of an option is, whatever it was written as. */
export type AgentValueKind = 'text' | 'switch' | 'number' | 'list';

export interface AgentOption {
  /** Flag without dashes, and key in the file. */
  name: AgentKey;
  variable: string;
  kind: AgentValueKind;
  schema: SchemaNode;
}

export interface AgentKeyTable {
  root: SchemaNode;
  options: readonly AgentOption[];
}

let table: AgentKeyTable | undefined;

/** The options of `agent start` as a table, in the order of the schema. Computed on first use. */
export function agentKeyTable(): AgentKeyTable {
  table ??= build();
  return table;
}

function build(): AgentKeyTable {
  const described: object = z.toJSONSchema(agentSchema, { io: 'input' });
  const root: SchemaNode = described;
  const options = agentSchema.keyof().options.map((name) => {
    const schema = root.properties?.[name] ?? {};
    return { name, variable: schema.env ?? '', kind: kindOf(schema), schema };
  });
  return { root, options };
}

/** Of an option, by its schema. */
export function kindOf({ type }: SchemaNode): AgentValueKind {
  if (type === 'boolean') return 'switch';
  if (type === 'integer') return 'number';
  return type === 'array' ? 'list' : 'text';
}

/** The JSON Schema of the file, for editors. */
export function agentJsonSchema(): object {
  return { ...agentKeyTable().root, title: 'Configuration of `agent start`', additionalProperties: false };
}
