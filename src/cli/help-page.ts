import type { Command } from '@oclif/core';
import { wrap } from './wrap.ts';

/** Every command by its id (`runner:start`). */
export type CommandTable = Readonly<Record<string, Command.Class>>;

export interface HelpStyle {
  /** Columns to fill at most. */
  width: number;
  heading: (text: string) => string;
}

type AnyFlag = NonNullable<Command.Class['flags']>[string];

/**
 * The help of the program (no words), a topic or a command. Written here instead of taken from oclif: it is what users read
 * first, and oclif's own takes as long as everything else together.
 */
export function helpPage(words: readonly string[], commands: CommandTable, style: HelpStyle): string | undefined {
  if (words.length === 0) return rootPage(commands, style);
  const command = commands[words.join(':')];
  if (command) return commandPage(words.join(' '), command, commands, style);
  const below = commandsBelow(words, commands);
  return below.length === 0
    ? undefined
    : sections(usage(`${words.join(' ')} COMMAND`, style), commandList(below, style));
}

/** The commands of a topic. */
export function commandsBelow(words: readonly string[], commands: CommandTable): [string, Command.Class][] {
  return Object.entries(commands).filter(([id]) => id.startsWith(`${words.join(':')}:`));
}

function usage(text: string, style: HelpStyle): string {
  return `${style.heading('Usage:')} semaphore ${text} [FLAGS]`;
}

function rootPage(commands: CommandTable, style: HelpStyle): string {
  return sections(
    'Runs tasks of Semaphore UI and jobs of Semaphore CI on this machine, or serves tasks from one file.',
    usage('COMMAND', style),
    commandList(Object.entries(commands), style),
    wrap(
      '`semaphore COMMAND --help` explains a command, `semaphore completion bash|zsh|fish` completes them in a shell.',
      style.width,
    ),
  );
}

function commandPage(name: string, command: Command.Class, commands: CommandTable, style: HelpStyle): string {
  const below = commandsBelow(name.split(' '), commands);
  const args = Object.entries(command.args ?? {}).map(([arg, { required }]) =>
    required === true ? ` ${arg.toUpperCase()}` : ` [${arg.toUpperCase()}]`,
  );
  const own = Object.entries(command.flags ?? {}).filter(([, flag]) => !flag.hidden);
  const global = Object.entries(command.baseFlags ?? {});
  return sections(
    wrap(command.summary ?? '', style.width),
    usage(`${name}${below.length > 0 ? ' [COMMAND]' : ''}${args.join('')}`, style),
    wrap(command.description ?? '', style.width),
    commandList(below, style),
    flagList('Flags', own, style),
    flagList('Flags of every command', global, style),
    exampleList(command.examples ?? [], style),
  );
}

function sections(...parts: string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function commandList(entries: readonly (readonly [string, Command.Class])[], style: HelpStyle): string {
  const rows = entries
    .filter(([, command]) => !command.hidden)
    .map(([id, command]) => [id.replaceAll(':', ' '), command.summary ?? ''] as const);
  return table('Commands', rows, style);
}

function flagList(title: string, flags: readonly (readonly [string, AnyFlag])[], style: HelpStyle): string {
  return table(
    title,
    flags.map(([name, flag]) => [flagUsage(name, flag), flagText(flag)] as const),
    style,
  );
}

function flagUsage(name: string, flag: AnyFlag): string {
  if (flag.type === 'boolean') return flag.allowNo ? `--[no-]${name}` : `--${name}`;
  const value = flag.helpValue ?? (flag.options ? flag.options.join('|') : '<value>');
  return `--${name} ${String(value)}`;
}

function flagText(flag: AnyFlag): string {
  const facts = [
    flag.type === 'option' && typeof flag.default === 'string' ? `default ${flag.default}` : undefined,
    flag.env === undefined ? undefined : `variable ${flag.env}`,
    flag.aliases ? `also ${flag.aliases.map((alias) => `--${alias}`).join(', ')}` : undefined,
  ].filter((fact) => fact !== undefined);
  return `${flag.description ?? ''}${facts.length === 0 ? '' : ` (${facts.join('; ')})`}`;
}

function exampleList(examples: Command.Example[], style: HelpStyle): string {
  if (examples.length === 0) return '';
  const texts = examples.map((example) =>
    typeof example === 'string' ? `  $ ${example}` : `  # ${example.description}\n  $ ${example.command}`,
  );
  return `${style.heading('Examples:')}\n${texts.join('\n\n')}`;
}

/** Two columns; the second begins on a line of its own where the first is long. */
function table(title: string, rows: readonly (readonly [string, string])[], style: HelpStyle): string {
  if (rows.length === 0) return '';
  const left = Math.min(32, Math.max(...rows.map(([name]) => name.length)) + 4);
  const lines = rows.map(([name, text]) => {
    const indent = ' '.repeat(left);
    const wrapped = wrap(text, style.width - left)
      .split('\n')
      .join(`\n${indent}`);
    const head = `  ${name}`;
    return head.length + 2 > left ? `${head}\n${indent}${wrapped}` : `${head.padEnd(left)}${wrapped}`;
  });
  return `${style.heading(`${title}:`)}\n${lines.join('\n')}`;
}
