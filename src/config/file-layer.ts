import { readFile } from 'node:fs/promises';
import { ConfigError, messageOf } from '../lib/index.ts';
import { checkLayer } from './check-layer.ts';
import { exposureWarnings } from './exposure.ts';
import { isForeignKey } from './foreign-keys.ts';
import { runnerKeyTable } from './key-table.ts';
import { locatedError, locationText } from './located-error.ts';
import { nearestKey } from './nearest.ts';
import { isObject, normalise } from './normalise.ts';
import { parseDocument, type Position } from './source-document.ts';

export interface FileLayer {
  value: Record<string, unknown>;
  warnings: readonly string[];
  /** The file, by each dotted key it sets. */
  sources: ReadonlyMap<string, string>;
  positionOf(path: readonly string[]): Position | undefined;
}

/** Reads and checks one configuration file. Throws ConfigError with file, line and column. */
export async function readFileLayer(file: string): Promise<FileLayer> {
  const { root, names } = runnerKeyTable();
  const document = await parseDocument(file, await readText(file));
  if (!isObject(document.value)) throw locatedError('the configuration must be an object', { source: file });
  const layer = normalise(document.value, root);
  const positionOf = (path: readonly string[]) => {
    const exact = layer.spelling.get(path.join('.'));
    const parent = layer.spelling.get(path.slice(0, -1).join('.')) ?? path.slice(0, -1);
    return document.positionOf(exact ?? [...parent, ...path.slice(-1)]);
  };
  checkLayer(layer.value, { source: file, positionOf });

  const warnings = layer.unknown
    .filter(({ dotted }) => !isForeignKey(dotted))
    .map(({ dotted, path }) => {
      const nearest = nearestKey(dotted, namesBeside(dotted, names));
      const place = locationText({ source: file, ...document.positionOf(path) });
      return `${place}: unknown key ${dotted}${nearest ? `; did you mean ${nearest}?` : ''}`;
    });
  if (isObject(layer.value['runner']) && layer.value['runner']['token']) {
    warnings.push(...(await exposureWarnings(file, 'it holds the runner token')));
  }
  const sources = new Map([...layer.spelling.keys()].map((dotted) => [dotted, file]));
  return { value: layer.value, warnings, sources, positionOf };
}

/** Known names as they would be spelled in this place: an app's keys below its own name. */
function namesBeside(dotted: string, names: readonly string[]): readonly string[] {
  const [section = '', name = ''] = dotted.split('.');
  return names.map((known) => known.replace(`${section}.<name>`, `${section}.${name}`));
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error: unknown) {
    throw new ConfigError(`cannot read the configuration file: ${messageOf(error)}`, { source: file, cause: error });
  }
}
