import { chown, readFile, realpath, stat } from 'node:fs/promises';
import { applyEdits, modify, type FormattingOptions } from 'jsonc-parser';
import { writeFileAtomic } from '../lib/index.ts';
import { isObject, member } from './normalise.ts';
import { isYaml, parseDocument } from './source-document.ts';

/** One change of a file: the dotted key, and its new value; undefined removes it. */
export interface ConfigChange {
  key: string;
  value: string | number | boolean | readonly string[] | undefined;
}

/**
 * Changes keys of an existing configuration file. Everything else stays as it was: unknown keys, order, comments. The file
 * is replaced atomically, keeps its owner, and has mode 0600 afterwards. Throws ConfigError when it cannot be parsed.
 */
export async function changeConfigFile(file: string, changes: readonly ConfigChange[]): Promise<void> {
  // A link to the file stays a link.
  const target = await realpath(file);
  const text = await changedText(target, await readFile(target, 'utf8'), changes);
  const { uid, gid } = await stat(target);
  await writeFileAtomic(target, text, { mode: 0o600 });
  if (process.getuid?.() === 0) await chown(target, uid, gid);
}

/** The text of a configuration file after some changes; see `changeConfigFile`. */
export async function changedText(file: string, text: string, changes: readonly ConfigChange[]): Promise<string> {
  // Each change sees what the one before has made.
  return await changes.reduce(async (before, change) => {
    const current = await before;
    const { value } = await parseDocument(file, current);
    const { path, content } = placeOf(value, change);
    if (content === undefined && !isThere(value, path)) return current;
    return isYaml(file) ? await changeYaml(current, path, content) : changeJson(current, path, content);
  }, Promise.resolve(text));
}

function changeJson(text: string, path: readonly string[], content: unknown): string {
  return applyEdits(text, modify(text, [...path], content, { formattingOptions: formatOf(text) }));
}

async function changeYaml(text: string, path: readonly string[], content: unknown): Promise<string> {
  const { parseDocument: parse } = await import('yaml');
  const document = parse(text);
  if (content === undefined) document.deleteIn(path);
  else document.setIn(path, document.createNode(content));
  return document.toString({ lineWidth: 0 });
}

function isThere(root: unknown, path: readonly string[]): boolean {
  const name = path.at(-1) ?? '';
  const parent = path.slice(0, -1).reduce<unknown>(member, root);
  return isObject(parent) && Object.hasOwn(parent, name);
}

/**
 * Spells a key as the file does (`Runner.Token`), and steps over a section that is there but null, which can only be
 * replaced as a whole.
 */
function placeOf(root: unknown, { key, value: wanted }: ConfigChange): { path: string[]; content: unknown } {
  const names = key.split('.');
  const path: string[] = [];
  let value = root;
  for (const [index, name] of names.entries()) {
    const keys = isObject(value) ? Object.keys(value) : [];
    const spelled = keys.includes(name) ? name : keys.find((other) => other.toLowerCase() === name.toLowerCase());
    path.push(spelled ?? name);
    value = isObject(value) && spelled !== undefined ? value[spelled] : undefined;
    const below = names.slice(index + 1);
    if (below.length > 0 && !isObject(value)) {
      if (wanted === undefined) return { path: names, content: undefined };
      return { path, content: below.reduceRight<unknown>((inner, part) => ({ [part]: inner }), wanted) };
    }
  }
  return { path, content: wanted };
}

/** Indents a new line as the lines around it are. */
function formatOf(text: string): FormattingOptions {
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? '  ';
  return {
    insertSpaces: !indent.includes('\t'),
    tabSize: indent.includes('\t') ? 1 : indent.length,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
}
