import { invalid, notAllowed, required, tooLong, type FieldError } from './field-error.ts';
import { configKeyProblems, metadataProblems } from './names.ts';
import type { KubeObject } from './types.ts';

/** All values of a Secret or ConfigMap together. */
const sizeLimit = 1024 * 1024;

function sizeOf(values: Record<string, string>, encoding: BufferEncoding): number {
  return Object.values(values).reduce((sum, value) => sum + Buffer.byteLength(value, encoding), 0);
}

export function validateSecret(secret: KubeObject, old?: KubeObject): FieldError[] {
  const data = (secret.data ?? {}) as Record<string, string>;
  const found = metadataProblems(secret, { name: 'subdomain' });
  for (const key of Object.keys(data)) found.push(...configKeyProblems(`data[${key}]`, key));
  if (sizeOf(data, 'base64') > sizeLimit) found.push(tooLong('data', sizeLimit));
  if (secret.type === 'kubernetes.io/dockerconfigjson') found.push(...dockerConfigProblems(data));
  if (old) {
    found.push(...immutableProblems(secret, old, ['data']));
    if (secret.type !== old.type) found.push(invalid('type', secret.type, 'field is immutable'));
  }
  return found;
}

export function validateConfigMap(map: KubeObject, old?: KubeObject): FieldError[] {
  const data = (map.data ?? {}) as Record<string, string>;
  const binary = (map.binaryData ?? {}) as Record<string, string>;
  const found = metadataProblems(map, { name: 'subdomain' });
  for (const key of Object.keys(data)) found.push(...configKeyProblems(`data[${key}]`, key));
  for (const key of Object.keys(binary)) found.push(...configKeyProblems(`binaryData[${key}]`, key));
  if (sizeOf(data, 'utf8') + sizeOf(binary, 'base64') > sizeLimit) found.push(tooLong('', sizeLimit));
  if (old) found.push(...immutableProblems(map, old, ['data', 'binaryData']));
  return found;
}

function dockerConfigProblems(data: Record<string, string>): FieldError[] {
  const field = 'data[.dockerconfigjson]';
  const text = data['.dockerconfigjson'];
  if (text === undefined) return [required(field)];
  try {
    JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
    return [];
  } catch (error: unknown) {
    return [invalid(field, '<secret contents redacted>', error instanceof Error ? error.message : String(error))];
  }
}

function immutableProblems(object: KubeObject, old: KubeObject, fields: readonly string[]): FieldError[] {
  if (old.immutable !== true) return [];
  const text = 'field is immutable when `immutable` is set';
  const found = object.immutable === true ? [] : [notAllowed('immutable', text)];
  const changed = fields.filter((name) => JSON.stringify(object[name]) !== JSON.stringify(old[name]));
  return [...found, ...changed.map((name) => notAllowed(name, text))];
}

/** `stringData` is written into `data`, and read never again. */
export function defaultSecret(secret: KubeObject): void {
  const texts = (secret.stringData ?? {}) as Record<string, string>;
  const encoded = Object.entries(texts).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  const data = { ...(secret.data as Record<string, string> | undefined), ...Object.fromEntries(encoded) };
  if (Object.keys(data).length > 0) secret.data = data;
  delete secret.stringData;
  secret.type ??= 'Opaque';
}
