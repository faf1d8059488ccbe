import { runnerKeyTable } from './key-table.ts';
import type { LoadedConfig } from './load.ts';
import { isObject, member } from './normalise.ts';

export interface DescribedKey {
  /** Dotted key; `apps` and other maps are one key. */
  key: string;
  /** JSON, or `***` for a secret that is set. */
  value: string;
  /** File, variable or `command line`; undefined: the default. */
  source: string | undefined;
}

/** Every key in effect, secrets hidden, in the order of the reference. */
export function describeConfig(loaded: LoadedConfig): DescribedKey[] {
  return runnerKeyTable()
    .keys.filter(({ path }) => !path.includes('<name>'))
    .map(({ path, dotted, schema }) => {
      const value = path.reduce<unknown>(member, loaded.values);
      const shown = schema.sensitive && value !== undefined ? '***' : JSON.stringify(withoutCredentials(value));
      return {
        key: dotted,
        value: shown ?? '(not set)',
        source: loaded.sourceOf(dotted) ?? partSource(loaded, dotted, value),
      };
    });
}

/** A map is set in a file by its entries. */
function partSource(loaded: LoadedConfig, key: string, value: unknown): string | undefined {
  const [first] = isObject(value) ? Object.keys(value) : [];
  return first === undefined ? undefined : loaded.sourceOf(`${key}.${first}`);
}

function withoutCredentials(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/^(\w+:\/\/)[^/@]+@/, '$1***@') : value;
}
