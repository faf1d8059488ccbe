import { duplicate, invalid, required, type FieldError } from './field-error.ts';
import type { KubeObject, Metadata } from './types.ts';

/** Names, labels and annotations: the rules for what may be in `metadata`, and the words for what may not. */

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomain = `${label}(\\.${label})*`;
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelValue = `(${qualified})?`;
const configKey = '[-._a-zA-Z0-9]+';
const cIdentifier = '[A-Za-z_][A-Za-z0-9_]*';
const annotationsLimit = 256 * 1024;

function matches(pattern: string, value: string): boolean {
  return new RegExp(`^(${pattern})$`).test(value);
}

function tooManyCharacters(limit: number): string {
  return `must be no more than ${limit} characters`;
}

/** Name of a container, a volume, a namespace. */
export function labelProblems(field: string, value: string): FieldError[] {
  const found: FieldError[] = [];
  if (value.length > 63) found.push(invalid(field, value, tooManyCharacters(63)));
  if (!matches(label, value)) {
    const text =
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
    found.push(
      invalid(field, value, `${text} (e.g. 'my-name',  or '123-abc', regex used for validation is '${label}')`),
    );
  }
  return found;
}

/** Name of most objects. */
export function subdomainProblems(field: string, value: string): FieldError[] {
  const found: FieldError[] = [];
  if (value.length > 253) found.push(invalid(field, value, tooManyCharacters(253)));
  if (!matches(subdomain, value)) {
    const text =
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
    found.push(invalid(field, value, `${text} (e.g. 'example.com', regex used for validation is '${subdomain}')`));
  }
  return found;
}

/** Key of a Secret's or ConfigMap's data. */
export function configKeyProblems(field: string, value: string): FieldError[] {
  const found: FieldError[] = [];
  if (value.length > 253) found.push(invalid(field, value, tooManyCharacters(253)));
  if (!matches(configKey, value) || value === '.' || value.startsWith('..')) {
    const text =
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name'";
    found.push(invalid(field, value, `${text}, regex used for validation is '${configKey}')`));
  }
  return found;
}

/** A variable that every version of the API takes. */
export function isVariableName(name: string): boolean {
  return matches(cIdentifier, name);
}

export function metadataProblems(object: KubeObject, options: { name: 'label' | 'subdomain' }): FieldError[] {
  const { metadata } = object;
  const check = options.name === 'label' ? labelProblems : subdomainProblems;
  const name =
    metadata.name === ''
      ? [required('metadata.name', 'name or generateName is required')]
      : check('metadata.name', metadata.name);
  return [...name, ...labelMapProblems(metadata), ...annotationProblems(metadata), ...ownerProblems(metadata)];
}

function labelMapProblems({ labels = {} }: Metadata): FieldError[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...keyProblems('metadata.labels', key),
    ...labelValueProblems('metadata.labels', value),
  ]);
}

function labelValueProblems(field: string, value: string): FieldError[] {
  if (value.length > 63) return [invalid(field, value, tooManyCharacters(63))];
  if (matches(labelValue, value)) return [];
  const text =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345'";
  return [invalid(field, value, `${text}, regex used for validation is '${labelValue}')`)];
}

function annotationProblems({ annotations = {} }: Metadata): FieldError[] {
  const found = Object.keys(annotations).flatMap((key) => keyProblems('metadata.annotations', key.toLowerCase()));
  const size = Object.entries(annotations).reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0);
  if (size > annotationsLimit) {
    const message = `Too long: must have at most ${annotationsLimit} bytes`;
    found.push({ field: 'metadata.annotations', reason: 'FieldValueTooLong', message });
  }
  return found;
}

/** `[prefix/]name`: a DNS subdomain, and at most 63 characters. */
function keyProblems(field: string, key: string): FieldError[] {
  const parts = key.split('/');
  const name = parts.at(-1) ?? '';
  if (parts.length > 2) {
    const text = `a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${qualified}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
    return [invalid(field, key, text)];
  }
  if (parts.length === 2 && !matches(subdomain, parts[0] ?? '')) {
    const text = 'prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters';
    return [invalid(field, key, `${text}, '-' or '.', and must start and end with an alphanumeric character`)];
  }
  if (name.length > 63) return [invalid(field, key, `name part ${tooManyCharacters(63)}`)];
  if (matches(qualified, name)) return [];
  const text = `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${qualified}')`;
  return [invalid(field, key, text)];
}

function ownerProblems({ ownerReferences = [] }: Metadata): FieldError[] {
  return ownerReferences.flatMap((owner, index) => {
    const at = `metadata.ownerReferences[${index}]`;
    const empty = (['apiVersion', 'kind', 'name', 'uid'] as const).filter((name) => !owner[name]);
    return empty.map((name) => invalid(`${at}.${name}`, owner[name] ?? '', `${name} must not be empty`));
  });
}

/** One error for every name that was there before. */
export function repeated(names: readonly string[], field: (index: number) => string): FieldError[] {
  return names.flatMap((name, index) => (names.indexOf(name) < index ? [duplicate(field(index), name)] : []));
}
