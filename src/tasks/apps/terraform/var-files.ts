import { join, resolve } from 'node:path/posix';
import { isObject } from '../../json.ts';
import type { TaskFiles } from '../../types.ts';
import { splitOptions } from './options.ts';

/** Whether the value that is set there is a list or a map, as opposed to a text, a number, … */
export type Shape = 'collection' | 'other';

/**
 * The variables that something stronger than `TF_VAR_` sets, as far as it can be read: `terraform.tfvars`, `*.auto.tfvars`
 * and their JSON forms in `directory`, and `-var` and `-var-file` among the arguments. Names that stand for something else
 * (nested keys) may be among them.
 */
export async function variablesSetElsewhere(
  files: TaskFiles,
  directory: string,
  planArgs: readonly string[],
): Promise<Map<string, Shape>> {
  const found = new Map<string, Shape>();
  const options = splitOptions(planArgs);
  const named = options.flatMap(({ name, value }) => (name === 'var-file' && value !== undefined ? [value] : []));
  for (const file of [...(await automaticFiles(files, directory)), ...named.map((path) => resolve(directory, path))]) {
    const text = await textOf(files, file);
    for (const [name, shape] of file.endsWith('.json') ? namesInJson(text) : namesInText(text)) found.set(name, shape);
  }
  for (const { name, value } of options) {
    const match = name === 'var' ? /^\s*([^=\s]+)\s*=([^]*)$/.exec(value ?? '') : null;
    if (match?.[1] !== undefined) found.set(match[1], shapeOf(match[2] ?? ''));
  }
  return found;
}

/**
 * True when the configuration in `directory` may run on HCP Terraform or the like, which is given the variables of arguments
 * and files and never sees the environment of this machine.
 */
export async function mayRunElsewhere(files: TaskFiles, directory: string): Promise<boolean> {
  const names = await files.list(directory).catch(() => []);
  for (const name of names.filter((file) => /\.(tf|tofu)$/.test(file))) {
    const text = await textOf(files, join(directory, name));
    if (/^[ \t]*(?:cloud|backend[ \t]+"remote")[ \t]*\{/m.test(text)) return true;
  }
  return false;
}

async function automaticFiles(files: TaskFiles, directory: string): Promise<string[]> {
  const names = await files.list(directory).catch(() => []);
  return names
    .filter((name) => /^terraform\.tfvars(\.json)?$|\.auto\.tfvars(\.json)?$/.test(name))
    .map((name) => join(directory, name));
}

/** What cannot be read counts as empty: the tool itself will say what is wrong with it. */
async function textOf(files: TaskFiles, path: string): Promise<string> {
  return (await files.read(path).catch(() => undefined))?.toString('utf8') ?? '';
}

function namesInText(text: string): [string, Shape][] {
  const assignments = text.matchAll(/^[ \t]*"?([\p{ID_Start}_][\p{ID_Continue}-]*)"?[ \t]*=(?!=)[ \t]*(\S?)/gmu);
  return [...assignments].map(([, name = '', first = '']) => [name, shapeOf(first)]);
}

function namesInJson(text: string): [string, Shape][] {
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return [];
    return Object.entries(value).map(([name, entry]) => [name, shapeOf(JSON.stringify(entry))]);
  } catch {
    // Terraform will say so itself.
    return [];
  }
}

function shapeOf(text: string): Shape {
  return /^\s*[[{]/.test(text) ? 'collection' : 'other';
}
