import type { ConfigError } from '../lib/index.ts';
import { expectationOf, runnerKeyTable, type SchemaNode } from './key-table.ts';
import { locatedError } from './located-error.ts';
import { runnerFileSchema } from './runner-schema.ts';
import { isObject, member } from './normalise.ts';
import type { Position } from './source-document.ts';

/** Where a layer came from, for messages. */
export interface LayerOrigin {
  /** File, or `environment variable X`. */
  source: string;
  positionOf(path: readonly string[]): Position | undefined;
}

/** Throws ConfigError naming source, key, value and expectation when a layer holds a value of the wrong kind. */
export function checkLayer(layer: Readonly<Record<string, unknown>>, origin: LayerOrigin): void {
  const result = runnerFileSchema.safeParse(layer);
  if (result.success) return;
  const [issue] = result.error.issues;
  if (issue) throw wrongValue(layer, issue.path.map(String), origin);
}

function wrongValue(layer: unknown, path: readonly string[], origin: LayerOrigin): ConfigError {
  let node: SchemaNode = runnerKeyTable().root;
  let value = layer;
  let sensitive = false;
  for (const part of path) {
    node = node.properties?.[part] ?? node.additionalProperties ?? node.items ?? {};
    sensitive ||= node.sensitive === true;
    value = member(value, part);
  }
  const key = path.join('.');
  const shown = sensitive ? `a ${typeof value}` : describe(value);
  return locatedError(`${key} is ${shown}; expected ${expectationOf(node)}`, {
    source: origin.source,
    key,
    ...origin.positionOf(path),
  });
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (Array.isArray(value)) return 'a list';
  if (isObject(value)) return 'an object';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
