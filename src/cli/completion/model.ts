import type { CommandTable } from '../help-page.ts';

export interface CompletionFlag {
  /** With dashes, for example `--config`. */
  name: string;
  description: string;
  /** What follows the flag: nothing, a file, one of a few words, or anything. */
  value: { kind: 'none' | 'file' | 'text' } | { kind: 'words'; words: readonly string[] };
}

/** A place in the tree of commands: the program itself, a topic, or a command. */
export interface CompletionNode {
  /** Words after the program's name; empty for the program itself. */
  words: readonly string[];
  summary: string;
  /** Next words. */
  children: readonly { word: string; summary: string }[];
  flags: readonly CompletionFlag[];
  /** Words an argument can be. */
  args: readonly string[];
  /** An argument can be a file. */
  takesFile: boolean;
}

type Flag = NonNullable<CommandTable[string]['flags']>[string];

/** Everything the three shells need to know, from the same definitions as the help. */
export function completionModel(commands: CommandTable): CompletionNode[] {
  const ids = new Set(
    Object.keys(commands).flatMap((id) => id.split(':').map((_, index, parts) => parts.slice(0, index + 1).join(':'))),
  );
  return ['', ...ids].sort().map((id) => node(id, [...ids], commands));
}

function node(id: string, ids: readonly string[], commands: CommandTable): CompletionNode {
  const command = commands[id];
  const prefix = id === '' ? '' : `${id}:`;
  const children = ids
    .filter((other) => other.startsWith(prefix) && other !== id && !other.slice(prefix.length).includes(':'))
    .sort()
    .map((other) => ({
      word: other.slice(prefix.length),
      summary: commands[other]?.summary ?? `Commands for the ${other}.`,
    }));
  const flags = Object.entries({ ...command?.flags, ...command?.baseFlags }).filter(([, flag]) => !flag.hidden);
  return {
    words: id === '' ? [] : id.split(':'),
    summary: command?.summary ?? '',
    children,
    flags: [...flags.flatMap(([name, flag]) => completionFlags(name, flag)), help],
    args: Object.values(command?.args ?? {}).flatMap(({ options }) => options ?? []),
    takesFile: 'path' in (command?.args ?? {}),
  };
}

const help: CompletionFlag = { name: '--help', description: 'Show help.', value: { kind: 'none' } };

function completionFlags(name: string, flag: Flag): CompletionFlag[] {
  const description = (flag.description ?? '').split(/(?<=\.) /, 1)[0] ?? '';
  if (flag.type === 'boolean') {
    const names = flag.allowNo ? [name, `no-${name}`] : [name];
    return names.map((each) => ({ name: `--${each}`, description, value: { kind: 'none' } }));
  }
  const words = name === 'log-level' ? ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'PANIC'] : flag.options;
  const kind = flag.helpValue === '<file>' ? 'file' : 'text';
  return [{ name: `--${name}`, description, value: words ? { kind: 'words', words } : { kind } }];
}
