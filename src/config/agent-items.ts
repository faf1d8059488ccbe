import { ConfigError } from '../lib/index.ts';
import { imagePattern } from './image-pattern.ts';

export interface HostVariable {
  name: string;
  value: string;
}

/** A file of the host in the main container of a job. */
export interface FileInjection {
  hostPath: string;
  destination: string;
}

/** `NAME=VALUE`; the value may hold further `=`, and be empty. Values are not quoted in errors: they may be secret. */
export function parseEnvVars(items: readonly string[]): HostVariable[] {
  return items.map((item) => {
    const at = item.indexOf('=');
    if (at <= 0) throw refused('env-vars', at === 0 ? '=…' : item, 'environment variable', 'NAME=VALUE');
    return { name: item.slice(0, at), value: item.slice(at + 1) };
  });
}

export function parseFiles(items: readonly string[]): FileInjection[] {
  return items.map((item) => {
    const [hostPath = '', destination = '', ...more] = item.split(':');
    if (!item.includes(':') || more.length > 0)
      throw refused('files', item, 'file injection', 'HOSTPATH:CONTAINERPATH');
    return { hostPath, destination };
  });
}

/** As Kubernetes has them: an optional prefix that is a domain, and words of letters, digits, `-`, `_` and `.`. */
const labelKey = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^(?:[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?)?$/;

/** Of the same key the last one counts. */
export function parseLabels(items: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    items.map((item) => {
      const [key = '', value = '', ...more] = item.split('=');
      if (more.length > 0 || !item.includes('=') || !labelKey.test(key) || !labelValue.test(value)) {
        throw refused('kubernetes-labels', item, 'label', 'KEY=VALUE, both as Kubernetes allows them in labels');
      }
      return [key, value];
    }),
  );
}

/** The texts of regular expressions; throws for one that is none. */
export function checkPatterns(items: readonly string[]): readonly string[] {
  const wrong = items.find((item) => !isPattern(item));
  if (wrong === undefined) return items;
  throw refused('kubernetes-allowed-images', wrong, 'regular expression', String.raw`^registry\.example\.com/`);
}

function isPattern(text: string): boolean {
  try {
    return imagePattern(text) instanceof RegExp;
  } catch {
    return false;
  }
}

function refused(key: string, item: string, what: string, example: string): ConfigError {
  return new ConfigError(`Error parsing --${key}: ${item} is not a valid ${what}`, {
    key,
    hint: `It looks like ${example}.`,
  });
}
