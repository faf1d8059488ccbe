import { chown, readFile, realpath, stat } from 'node:fs/promises';
import { applyEdits, findNodeAtLocation, modify, parseTree, type FormattingOptions } from 'jsonc-parser';
import { writeFileAtomic } from '../lib/index.ts';
import { isObject } from './normalise.ts';
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
  const { value } = await parseDocument(file, text);
  return isYaml(file) ? await changeYaml(text, value, changes) : changeJson(text, value, changes);
}

function changeJson(text: string, value: unknown, changes: readonly ConfigChange[]): string {
  const formattingOptions = formatOf(text);
  return changes.reduce((current, { key, value: wanted }) => {
    const { path, content } = placeOf(value, key.split('.'), wanted);
    const root = parseTree(current, [], { allowTrailingComma: true });
    if (wanted === undefined && !(root && findNodeAtLocation(root, [...path]))) return current;
    return applyEdits(current, modify(current, [...path], content, { formattingOptions }));
  }, text);
}

async function changeYaml(text: string, value: unknown, changes: readonly ConfigChange[]): Promise<string> {
  const { parseDocument: parse } = await import('yaml');
  const document = parse(text);
  for (const { key, value: wanted } of changes) {
    const { path, content } = placeOf(value, key.split('.'), wanted);
    if (wanted === undefined) document.deleteIn(path);
    else document.setIn(path, document.createNode(content));
  }
  return document.toString({ lineWidth: 0 });
}

/**
 * Spells a key as the file does (`Runner.Token`), and steps over a section that is there but null, which can only be
 * replaced as a whole.
 */
function placeOf(root: unknown, key: readonly string[], wanted: unknown): { path: string[]; content: unknown } {
  const path: string[] = [];
  let value = root;
  for (const [index, name] of key.entries()) {
    const keys = isObject(value) ? Object.keys(value) : [];
    const spelled = keys.includes(name) ? name : keys.find((other) => other.toLowerCase() === name.toLowerCase());
    path.push(spelled ?? name);
    value = isObject(value) && spelled !== undefined ? value[spelled] : undefined;
    const rest = key.slice(index + 1);
    if (rest.length > 0 && !isObject(value)) {
      return {
        path,
        content:
          wanted === undefined ? undefined : rest.reduceRight<unknown>((inner, part) => ({ [part]: inner }), wanted),
      };
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
