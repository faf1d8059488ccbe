import { commandsBelow, helpPage, type CommandTable } from './help-page.ts';
import { print } from './output.ts';

/** Thrown by a command that has nothing to do but show its help; not an error. */
export class HelpWanted extends Error {
  override name = 'HelpWanted';
  readonly words: readonly string[];

  constructor(words: readonly string[]) {
    super('help is wanted');
    this.words = words;
  }
}

/** The words before the first flag when the command line asks for help; undefined when it does not. */
export function helpRequest(argv: readonly string[]): readonly string[] | undefined {
  const end = argv.indexOf('--');
  const own = end === -1 ? argv : argv.slice(0, end);
  if (argv.length > 0 && !own.includes('--help') && !own.includes('-h')) return undefined;
  const first = own.findIndex((word) => word.startsWith('-'));
  return first === -1 ? own : own.slice(0, first);
}

/** Prints the help of a command; words after the command do not matter. Returns false when there is no such command. */
export function showHelp(words: readonly string[], commands: CommandTable): boolean {
  const colour = process.stdout.isTTY && !process.env['NO_COLOR'];
  const style = {
    width: Math.min(process.stdout.columns ?? 100, 100),
    heading: (text: string) => (colour ? `\u001B[1m${text}\u001B[0m` : text),
  };
  const length =
    words.findLastIndex((_, index) => helpPage(words.slice(0, index + 1), commands, style) !== undefined) + 1;
  const known = words.slice(0, length);
  // A topic's page is no answer to a misspelt command of that topic, nor the program's to a misspelt topic.
  const misspelt = length < words.length && (length === 0 || commandsBelow(known, commands).length > 0);
  const page = misspelt ? undefined : helpPage(known, commands, style);
  if (page !== undefined) print(page.trimEnd());
  return page !== undefined;
}

/** True for words that name no command, but the beginning of some: there is nothing to run, only to show. */
export function isTopicOnly(words: readonly string[], commands: CommandTable): boolean {
  return !(words.join(':') in commands) && commandsBelow(words, commands).length > 0;
}
