import type { SchemaNode } from './key-table.ts';
import { isObject } from './normalise.ts';

/** Puts `above` over `below`: section by section, and a value (lists and maps are values) as a whole. */
export function mergeLayers(
  below: Readonly<Record<string, unknown>>,
  above: Readonly<Record<string, unknown>>,
  node: SchemaNode,
): Record<string, unknown> {
  const result: Record<string, unknown> = { ...below };
  for (const [name, value] of Object.entries(above)) {
    const child = node.properties?.[name];
    const old = result[name];
    result[name] = child?.properties && isObject(old) && isObject(value) ? mergeLayers(old, value, child) : value;
  }
  return result;
}

/** An object that holds `value` at `path` and nothing else. */
export function nest(path: readonly string[], value: unknown): Record<string, unknown> {
  const [first, ...rest] = path;
  if (first === undefined) return {};
  return { [first]: rest.length === 0 ? value : nest(rest, value) };
}
