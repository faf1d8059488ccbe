import { userInfo } from 'node:os';
import { messageOf, UserError, withoutUrlCredentials } from '../lib/index.ts';
import { normaliseArgv } from './argv.ts';
import { toFailure } from './errors.ts';
import { exitCodes } from './exit-codes.ts';
import type { CommandTable } from './help-page.ts';
import { helpRequest, HelpWanted, isTopicOnly, showHelp } from './help.ts';
import { note, print, printFailure } from './output.ts';
import { leastOwnSecret, ownSecrets } from './own-secrets.ts';
import { Cancelled } from './setup/questions.ts';
import { unknownCommand } from './unknown-command.ts';

export interface RunCliOptions {
  /** Directory of package.json. */
  root: string;
  version: string;
  commands: CommandTable;
}

/** Runs one command line and gives the exit code; whatever is thrown becomes one or two lines on standard error. */
export async function runCli(argv: readonly string[], options: RunCliOptions): Promise<number> {
  const words = normaliseArgv(argv);
  try {
    return await dispatch(words, options);
  } catch (error: unknown) {
    if (error instanceof HelpWanted) {
      showHelp(error.words, options.commands);
      return exitCodes.ok;
    }
    if (error instanceof Cancelled) {
      note('Cancelled.');
      return exitCodes.interrupted;
    }
    return await report(await betterError(error, options.commands), words, options.commands);
  }
}

/** Tells of an error that no command could catch, in the same way. Returns the exit code. */
export async function reportStray(
  error: unknown,
  argv: readonly string[],
  { commands }: RunCliOptions,
): Promise<number> {
  return await report(error, normaliseArgv(argv), commands);
}

async function report(error: unknown, words: readonly string[], commands: CommandTable): Promise<number> {
  const failure = toFailure(error, { command: commandOf(words, commands), debug: wantsDebug(words) });
  await printFailure({ ...failure, lines: await maskedLines(failure.lines) });
  return failure.exitCode;
}

/** Texts of servers, tools and the system may repeat what they were given. */
async function maskedLines(lines: readonly string[]): Promise<string[]> {
  const shown = lines.map(withoutUrlCredentials);
  if (ownSecrets.size === 0) return shown;
  const { growingMask } = await import('../logs/index.ts');
  return shown.map(growingMask(ownSecrets, leastOwnSecret));
}

async function dispatch(words: readonly string[], { root, version, commands }: RunCliOptions): Promise<number> {
  if (words[0] === '--version') {
    print(`semaphore ${version}`);
    return exitCodes.ok;
  }
  const help = helpRequest(words) ?? (isTopicOnly(words, commands) ? words : undefined);
  if (help) {
    if (showHelp(help, commands)) return exitCodes.ok;
    throw await unknownCommand(help.join(' '), Object.keys(commands));
  }
  if (words[0]?.startsWith('-')) throw new UserError('the command is missing', { hint: 'See: semaphore --help' });
  const [{ run }, { settings }] = await Promise.all([import('@oclif/core/run'), import('@oclif/core/settings')]);
  // With NODE_ENV=development in the environment it would look for a TypeScript compiler.
  settings.enableAutoTranspile = false;
  nameShell();
  // Nothing in a user's home becomes a part of the program.
  const result: unknown = await run([...words], { root, userPlugins: false, devPlugins: false });
  return typeof result === 'number' ? result : exitCodes.ok;
}

/** oclif looks the user's shell up, and fails for the users without an entry that containers may be started as. */
function nameShell(): void {
  if (process.env['SHELL'] !== undefined) return;
  try {
    userInfo();
  } catch {
    process.env['SHELL'] = '/bin/sh'; // As bash has it for such a user.
  }
}

/** The longest beginning of the words that is a command. */
function commandOf(words: readonly string[], commands: CommandTable): string {
  const lengths = words.map((_, index) => words.length - index);
  const length = lengths.find((count) => words.slice(0, count).join(':') in commands) ?? 0;
  return ['semaphore', ...words.slice(0, length)].join(' ');
}

/** Read by hand: the error may be that the options could not be parsed. */
function wantsDebug(words: readonly string[]): boolean {
  const at = words.indexOf('--log-level');
  const given = words.find((word) => word.startsWith('--log-level='))?.slice('--log-level='.length);
  const level = given ?? (at === -1 ? process.env['SEMAPHORE_LOG_LEVEL'] : words[at + 1]);
  return level?.toUpperCase() === 'DEBUG';
}

/** oclif says "command runner:strat not found"; we know what was meant. */
async function betterError(error: unknown, commands: CommandTable): Promise<unknown> {
  const match = /^command (\S+) not found$/.exec(messageOf(error));
  return match?.[1] === undefined ? error : await unknownCommand(match[1].replaceAll(':', ' '), Object.keys(commands));
}
