import type { SchemaNode } from './key-table.ts';

export interface NormalisedLayer {
  /** Only known keys, spelled as in the schema; nothing is null. */
  value: Record<string, unknown>;
  unknown: readonly { dotted: string; path: readonly string[] }[];
  /** How each dotted key is spelled in the file. */
  spelling: ReadonlyMap<string, readonly string[]>;
}

/**
 * Brings what was read into the spelling of the schema: keys are matched without regard to case as the original does (the
 * exact spelling wins), null means "not set" anywhere, and so does empty text where one of a few words is expected.
 */
export function normalise(raw: Record<string, unknown>, root: SchemaNode): NormalisedLayer {
  const unknown: { dotted: string; path: readonly string[] }[] = [];
  const spelling = new Map<string, readonly string[]>();

  function visitObject(value: Record<string, unknown>, node: SchemaNode, dotted: string, path: readonly string[]) {
    const result: Record<string, unknown> = {};
    for (const [key, child] of Object.entries(value)) {
      const ownPath = [...path, key];
      const name = node.additionalProperties ? key : knownName(key, node);
      if (name === undefined) {
        unknown.push({ dotted: join(dotted, key), path: ownPath });
        continue;
      }
      // `Token` must not replace `token` when a file has both.
      if (name !== key && Object.hasOwn(value, name)) continue;
      const childNode = node.additionalProperties ?? node.properties?.[name] ?? {};
      const ownDotted = join(dotted, name);
      spelling.set(ownDotted, ownPath);
      const cleaned = visit(child, childNode, ownDotted, ownPath);
      if (cleaned !== undefined) define(result, name, cleaned);
    }
    return result;
  }

  function visit(value: unknown, node: SchemaNode, dotted: string, path: readonly string[]): unknown {
    if (value === null || (node.enum && value === '')) return undefined;
    const known = node.properties ?? node.additionalProperties;
    return known && isObject(value) ? visitObject(value, node, dotted, path) : value;
  }

  return { value: visitObject(raw, root, '', []), unknown, spelling };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The member of an object or list, if `value` is one and has it. */
export function member(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return value[Number(name)];
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function knownName(key: string, node: SchemaNode): string | undefined {
  const properties = node.properties ?? {};
  if (Object.hasOwn(properties, key)) return key;
  return Object.keys(properties).find((name) => name.toLowerCase() === key.toLowerCase());
}

function join(dotted: string, key: string): string {
  return dotted === '' ? key : `${dotted}.${key}`;
}

/** Assignment that also works for a key named `__proto__` (an app or a variable may have any name). */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}
