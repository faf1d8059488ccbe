import { runnerKeyTable, type SchemaNode } from '../../src/config/index.ts';

/** The JSON Schema that editors use for a runner's configuration file. */
export function runnerSchema(): Record<string, unknown> {
  const { root } = runnerKeyTable();
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of a Semaphore runner',
    description: 'JSON with comments, or YAML. Reference: docs/configuration.md',
    ...plain(root),
  };
}

/** Standard keywords only; what we add for ourselves goes into the description, and null is allowed wherever it is read. */
function plain(node: SchemaNode): Record<string, unknown> {
  const { type, properties, additionalProperties, items, description, env } = node;
  const facts = [description, env === undefined ? undefined : `Variable: ${env}.`, effect(node)];
  const text = facts.filter((fact) => fact !== undefined).join(' ');
  const nullable = type === undefined || node.enum ? type : [type, 'null'];
  return {
    ...(text === '' ? {} : { description: text }),
    ...(nullable === undefined ? {} : { type: nullable }),
    ...keep(node, ['enum', 'minimum', 'maximum', 'default']),
    ...(properties ? { properties: mapValues(properties, plain) } : {}),
    ...(additionalProperties ? { additionalProperties: plain(additionalProperties) } : {}),
    ...(items ? { items: { type: items.type } } : {}),
  };
}

function effect({ unused, unsupported }: SchemaNode): string | undefined {
  const reason = unused ?? unsupported;
  return reason === undefined ? undefined : `No effect: ${reason}.`;
}

function keep(node: SchemaNode, names: readonly (keyof SchemaNode)[]): Record<string, unknown> {
  const sized = (name: keyof SchemaNode) => typeof node[name] !== 'number' || Math.abs(node[name]) < 2 ** 31;
  return Object.fromEntries(
    names.filter((name) => node[name] !== undefined && sized(name)).map((name) => [name, node[name]]),
  );
}

function mapValues<T, R>(record: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
