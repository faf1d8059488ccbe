import { badRequest } from '../api/status.ts';
import type { ResourceType } from './resources.ts';
import type { KubeObject } from './types.ts';

/** Which objects a request means: `labelSelector` and `fieldSelector` of lists, watches and deletions. */
export type Selector = (object: KubeObject) => boolean;

export function selectorOf(type: ResourceType, query: URLSearchParams): Selector {
  const byLabel = parseLabels(query.get('labelSelector') ?? '');
  const byField = parseFields(type, query.get('fieldSelector') ?? '');
  return (object) => byLabel.every((test) => test(object)) && byField.every((test) => test(object));
}

/** The name that `metadata.name=x` restricts a request to; rules with resourceNames allow such a one. */
export function selectedName(query: URLSearchParams): string {
  return /(?:^|,)metadata\.name==?([^,]+)/.exec(query.get('fieldSelector') ?? '')?.[1] ?? '';
}

function parseLabels(text: string): Selector[] {
  // A comma within the brackets of a set does not separate.
  const parts = text.match(/(?:[^,(]|\([^)]*\))+/g) ?? [];
  return parts.map((part) => parseRequirement(part.trim()));
}

function parseRequirement(part: string): Selector {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part);
  if (set) {
    const values = (set[3] ?? '').split(',').map((value) => value.trim());
    return requirement(set[1] ?? '', (value) => (value !== undefined && values.includes(value)) === (set[2] === 'in'));
  }
  const pair = /^([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)$/.exec(part);
  if (pair) return requirement(pair[1] ?? '', (value) => (value === pair[3]) === (pair[2] !== '!='));
  if (/^![^=!\s]+$/.test(part)) return requirement(part.slice(1), (value) => value === undefined);
  if (/^[^=!\s]+$/.test(part)) return requirement(part, (value) => value !== undefined);
  throw badRequest(`unable to parse requirement: found '${part}', expected: a label selector`);
}

function requirement(key: string, test: (value: string | undefined) => boolean): Selector {
  return ({ metadata }) => test(metadata.labels?.[key]);
}

function parseFields(type: ResourceType, text: string): Selector[] {
  const known = ['metadata.name', 'metadata.namespace', ...type.selectable];
  return text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const [, field = '', operator, value] = /^([^=!]+)(==|=|!=)(.*)$/.exec(part) ?? [];
      if (!known.includes(field)) {
        const what = operator ? `field label not supported: ${field}` : `invalid selector: '${part}'`;
        throw badRequest(`Unable to find "/v1, Resource=${type.plural}" that match field selector "${text}": ${what}`);
      }
      return (object) => (fieldOf(object, field) === value) === (operator !== '!=');
    });
}

function fieldOf(object: KubeObject, path: string): string {
  let found: unknown = object;
  for (const name of path.split('.')) {
    found = typeof found === 'object' && found !== null ? (found as Record<string, unknown>)[name] : undefined;
  }
  return typeof found === 'string' ? found : '';
}
