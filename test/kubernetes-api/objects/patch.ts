import { ApiError, badRequest } from '../api/status.ts';
import type { Shape } from './shape.ts';

/** Applies a patch of one of the API's kinds to an object: JSON patch, merge patch, strategic merge patch. */
export function applyPatch(contentType: string, object: unknown, patch: unknown, shape: Shape): unknown {
  const type = contentType.split(';')[0]?.trim();
  switch (type) {
    case 'application/json-patch+json':
      return jsonPatch(object, patch);
    case 'application/merge-patch+json':
      return mergePatch(object, patch);
    case 'application/strategic-merge-patch+json':
      return strategicPatch(object, patch, shape);
    default:
      throw new ApiError(
        415,
        'UnsupportedMediaType',
        `the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json`,
      );
  }
}

type Fields = Record<string, unknown>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isFields(patch)) return patch;
  const merged: Fields = isFields(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

function strategicPatch(target: unknown, patch: unknown, shape: Shape | undefined): unknown {
  if (Array.isArray(patch)) return mergeLists(Array.isArray(target) ? target : [], patch, shape);
  if (!isFields(patch)) return patch;
  if (patch.$patch === 'replace') return without(patch, '$patch');
  const merged: Fields = isFields(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$deleteFromPrimitiveList/') && Array.isArray(value)) {
      const name = key.slice(key.indexOf('/') + 1);
      const items = merged[name];
      if (Array.isArray(items)) merged[name] = items.filter((item) => !value.includes(item));
    }
    // The other directives ($setElementOrder, $retainKeys) say how to order what is merged.
    if (key.startsWith('$')) continue;
    if (value === null) delete merged[key];
    else merged[key] = strategicPatch(merged[key], value, fieldShape(shape, key));
  }
  return merged;
}

function mergeLists(target: readonly unknown[], patch: readonly unknown[], shape: Shape | undefined): unknown[] {
  const key = shape?.type === 'list' ? shape.key : undefined;
  const item = shape?.type === 'list' ? shape.of : undefined;
  if (key === undefined) return [...patch];
  const merged = [...target];
  for (const change of patch) {
    if (!isFields(change)) throw badRequest('a list that is merged by a key has objects only');
    const index = merged.findIndex((found) => isFields(found) && found[key] === change[key]);
    if (change.$patch === 'delete') {
      if (index !== -1) merged.splice(index, 1);
    } else if (index === -1) merged.push(change);
    else merged[index] = strategicPatch(merged[index], change, item);
  }
  return merged;
}

function fieldShape(shape: Shape | undefined, key: string): Shape | undefined {
  if (shape?.type === 'object') return shape.fields[key];
  return shape?.type === 'map' ? shape.of : undefined;
}

function without(fields: Fields, name: string): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));
}

function jsonPatch(object: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch is a list of operations');
  const root = { '': structuredClone(object) };
  for (const step of patch) {
    if (!isFields(step) || typeof step.path !== 'string') throw badRequest('a JSON patch operation has a path');
    applyStep(root, step.op, step.path, step.value, step.from);
  }
  return root[''];
}

function applyStep(root: Fields, op: unknown, path: string, value: unknown, from: unknown): void {
  const { parent, key } = locate(root, path);
  switch (op) {
    case 'add':
      if (Array.isArray(parent)) parent.splice(key === '-' ? parent.length : Number(key), 0, value);
      else parent[key] = value;
      return;
    case 'remove':
      if (!(key in parent)) throw refused(path);
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete parent[key];
      return;
    case 'replace':
      if (!(key in parent)) throw refused(path);
      (parent as Fields)[key] = value;
      return;
    case 'test':
      if (JSON.stringify((parent as Fields)[key]) !== JSON.stringify(value)) throw refused(path);
      return;
    case 'move':
    case 'copy': {
      const source = locate(root, String(from));
      const moved = structuredClone((source.parent as Fields)[source.key]);
      if (op === 'move') applyStep(root, 'remove', String(from), undefined, undefined);
      applyStep(root, 'add', path, moved, undefined);
      return;
    }
    default:
      throw badRequest(`Unexpected kind: ${String(op)}`);
  }
}

function locate(root: Fields, path: string): { parent: Fields | unknown[]; key: string } {
  const keys = path.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  let parent: unknown = root;
  for (const key of keys.slice(0, -1))
    parent = isFields(parent) || Array.isArray(parent) ? (parent as Fields)[key] : undefined;
  if (!isFields(parent) && !Array.isArray(parent)) throw refused(path);
  return { parent, key: keys.at(-1) ?? '' };
}

function refused(path: string): ApiError {
  return new ApiError(422, 'Invalid', `the server rejected our request due to an error in our request`, {
    causes: [{ reason: 'FieldValueInvalid', message: `jsonpatch operation does not apply: ${path}`, field: 'patch' }],
  });
}
