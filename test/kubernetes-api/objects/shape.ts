import { badRequest } from '../api/status.ts';
import { quantityPattern } from './quantity.ts';

/** What the fields of an object are: read for decoding (types, unknown fields), strategic merging, and the OpenAPI document. */
export type Shape =
  | { type: 'string' | 'integer' | 'boolean' | 'quantity' | 'intOrString' | 'bytes' | 'any' }
  /** `key`: the field by which a strategic merge patch finds the element to change. */
  | { type: 'list'; of: Shape; key?: string }
  | { type: 'map'; of: Shape }
  | { type: 'object'; fields: Record<string, Shape> };

export const string: Shape = { type: 'string' };
export const integer: Shape = { type: 'integer' };
export const boolean: Shape = { type: 'boolean' };
export const quantity: Shape = { type: 'quantity' };
export const intOrString: Shape = { type: 'intOrString' };
export const bytes: Shape = { type: 'bytes' };
/** Kept as it is; for fields that the stand-in has no use for. */
export const any: Shape = { type: 'any' };

export function list(of: Shape, key?: string): Shape {
  return { type: 'list', of, ...(key !== undefined && { key }) };
}

export function map(of: Shape): Shape {
  return { type: 'map', of };
}

export function object(fields: Record<string, Shape>): Shape & { type: 'object' } {
  return { type: 'object', fields };
}

export interface Decoded {
  value: unknown;
  /** Paths such as `spec.containers[0].foo`, which are not in the value. */
  unknownFields: string[];
}

/** Takes over what the shape knows. Throws the API's 400 for a value of the wrong type. */
export function decode(kind: string, input: unknown, shape: Shape): Decoded {
  const unknownFields: string[] = [];
  const value = take(input, shape, '');

  return { value, unknownFields };

  function take(given: unknown, expected: Shape, path: string): unknown {
    switch (expected.type) {
      case 'any':
        return given;
      case 'string':
        return typeof given === 'string' ? given : fail(given, path, 'string');
      case 'integer':
        return Number.isInteger(given) ? given : fail(given, path, 'int64');
      case 'boolean':
        return typeof given === 'boolean' ? given : fail(given, path, 'bool');
      case 'intOrString':
        return Number.isInteger(given) || typeof given === 'string' ? given : fail(given, path, 'int32');
      case 'quantity':
        return takeQuantity(given, path);
      case 'bytes':
        return takeBytes(given, path);
      case 'list':
        if (!Array.isArray(given)) return fail(given, path, 'list');
        return given.map((item, index) => take(item, expected.of, `${path}[${index}]`));
      case 'map':
      case 'object':
        return takeFields(given, expected, path);
    }
  }

  function takeFields(given: unknown, expected: Shape & { type: 'map' | 'object' }, path: string): unknown {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) return fail(given, path, 'object');
    const taken: Record<string, unknown> = {};
    for (const [name, item] of Object.entries(given)) {
      const at = path === '' ? name : `${path}.${name}`;
      const shapeOf = expected.type === 'map' ? expected.of : expected.fields[name];
      if (shapeOf === undefined) unknownFields.push(at);
      else if (item !== null) taken[name] = take(item, shapeOf, at);
    }
    return taken;
  }

  function takeQuantity(given: unknown, path: string): unknown {
    if (typeof given === 'number') return String(given);
    if (typeof given !== 'string') return fail(given, path, 'quantity');
    if (!quantityPattern.test(given)) {
      throw cannotHandle("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    }
    return given;
  }

  function takeBytes(given: unknown, path: string): unknown {
    if (typeof given !== 'string') return fail(given, path, 'bytes');
    const wrong = illegalBase64(given);
    if (wrong !== undefined) throw cannotHandle(`illegal base64 data at input byte ${wrong}`);
    return given;
  }

  function fail(given: unknown, path: string, type: string): never {
    const found = Array.isArray(given) ? 'array' : typeof given === 'boolean' ? 'bool' : typeof given;
    const field = `${kind}.${path.replaceAll(/\[\d+\]/g, '')}`;
    throw cannotHandle(`json: cannot unmarshal ${found} into Go struct field ${field} of type ${type}`);
  }

  function cannotHandle(text: string): Error {
    return badRequest(`${kind} in version "v1" cannot be handled as a ${kind}: ${text}`);
  }
}

/** The offset of the first byte that standard base64 with padding cannot have. */
function illegalBase64(text: string): number | undefined {
  const body = text.replaceAll(/[\r\n]/g, '');
  const good = /^[A-Za-z0-9+/]*={0,2}/.exec(body)?.[0].length ?? 0;
  if (good < body.length) return good;
  return body.length % 4 === 0 ? undefined : body.length - (body.length % 4);
}
