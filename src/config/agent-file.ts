import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { ConfigError, messageOf } from '../lib/index.ts';
import { agentKeyTable } from './agent-keys.ts';
import { fromFile, type AgentValue } from './agent-values.ts';
import { wrongAgentValue } from './agent-wrong-value.ts';
import { locationText } from './located-error.ts';
import { nearestKey } from './nearest.ts';
import { isObject, normalise } from './normalise.ts';
import { parseDocument, type SourceDocument } from './source-document.ts';

const endings = ['.yaml', '.yml', '.json'];

/** The original reads these, too. */
const foreignEndings = ['.toml', '.ini', '.properties', '.props', '.prop', '.hcl', '.tfvars', '.dotenv', '.env'];

/** Is a key, because it is an option; names no other file. */
const ineffective = 'config-file';

/**
 * Reads the configuration file of `agent start` (spec CI 1.5): values by key. Throws ConfigError when it cannot be read, has a key that is
 * no option, or a value of the wrong kind.
 */
export async function readAgentFile(path: string, cwd: string): Promise<Map<string, AgentValue>> {
  const file = resolve(cwd, path);
  const document = await parse(file);
  const value = document.value ?? {};
  if (!isObject(value)) throw unreadable(`${file}: it must be a list of keys with values`);
  const { root, options } = agentKeyTable();
  const layer = normalise(value, root);
  refuseUnknown(layer.unknown, value, document, file);

  const values = new Map<string, AgentValue>();
  for (const option of options) {
    const raw = layer.value[option.name];
    if (raw === undefined) continue;
    const spelled = layer.spelling.get(option.name) ?? [option.name];
    // The original flattens it, and then knows no such key.
    if (isObject(raw)) throw unknownOption(leafOf(spelled, raw), document, file);
    const read = fromFile(raw, option.kind);
    if (read === undefined) {
      throw wrongAgentValue(option, raw, locationText({ source: file, ...document.positionOf(spelled) }));
    }
    values.set(option.name, read);
  }
  return values;
}

function refuseUnknown(
  unknown: readonly { path: readonly string[] }[],
  value: Record<string, unknown>,
  document: SourceDocument,
  file: string,
): void {
  const first = unknown.find(({ path }) => path[0]?.toLowerCase() !== ineffective);
  const [key = ''] = first?.path ?? [];
  if (first) throw unknownOption(leafOf([key], value[key]), document, file);
}

/** The path to the first value below a key. */
function leafOf(path: readonly string[], value: unknown): readonly string[] {
  const [key] = isObject(value) ? Object.keys(value) : [];
  return key === undefined || !isObject(value) ? path : leafOf([...path, key], value[key]);
}

function unknownOption(path: readonly string[], document: SourceDocument, file: string): ConfigError {
  const key = path.join('.').toLowerCase();
  const nearest = nearestKey(
    key,
    agentKeyTable().options.map(({ name }) => name),
  );
  const place = locationText({ source: file, ...document.positionOf(path) });
  return new ConfigError(`Unrecognized option '${key}'. Exiting...`, {
    source: file,
    key,
    ...document.positionOf(path),
    hint: `It stands in ${place}.${nearest === undefined ? '' : ` Did you mean ${nearest}?`}`,
  });
}

async function parse(file: string): Promise<SourceDocument> {
  const ending = extname(file).toLowerCase();
  if (!endings.includes(ending)) {
    const known = foreignEndings.includes(ending) ? `${ending} files are not read here` : `its name tells no format`;
    throw unreadable(`${file}: ${known}`, 'Write it as YAML (.yaml, .yml) or JSON (.json).');
  }
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error: unknown) {
    throw unreadable(`${file}: ${messageOf(error)}`, 'Name the file with --config-file.', error);
  }
  try {
    return await parseDocument(file, text, { asSpelled: true });
  } catch (error: unknown) {
    throw unreadable(messageOf(error), undefined, error);
  }
}

function unreadable(what: string, hint?: string, cause?: unknown): ConfigError {
  return new ConfigError(`Error reading config file ${what}`, { ...(hint === undefined ? {} : { hint }), cause });
}
