import { UserError } from '../../lib/index.ts';

/** What is used of a flag's definition. */
interface FlagDefinition {
  type: 'boolean' | 'option';
  aliases?: readonly string[] | undefined;
}

export interface GivenFlags {
  /** What follows each flag, every time it was given; a switch without a value has `true`. */
  flags: ReadonlyMap<string, readonly string[]>;
  /** Everything else, in order. */
  words: readonly string[];
}

/**
 * Reads a command line as the original does (spec CI 1.2): flags and words in any order; `--name value` or `--name=value`, where the value
 * may begin with dashes; switches alone or as `--name=false`; no short flags, no abbreviations; nothing after `--` is a flag. Throws
 * UserError.
 */
export function parseFlags(
  argv: readonly string[],
  id: string,
  definitions: Readonly<Record<string, FlagDefinition>> = {},
): GivenFlags {
  const flags = new Map<string, string[]>();
  const words: string[] = [];
  const byName = new Map(
    Object.entries(definitions).flatMap(([name, definition]) =>
      [name, ...(definition.aliases ?? [])].map((each) => [each, { name, definition }] as const),
    ),
  );
  const hint = `See: semaphore ${id.replaceAll(':', ' ')} --help`;
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    if (word === '--') return { flags, words: [...words, ...argv.slice(at + 1)] };
    if (!word.startsWith('-') || word === '-') {
      words.push(word);
      continue;
    }
    const [, spelled = '', value] = /^--([^=]+)(?:=([\s\S]*))?$/.exec(word) ?? [];
    const known = byName.get(spelled);
    if (!known) {
      const shown = spelled === '' ? word : `--${spelled}`;
      throw new UserError(`unknown flag: ${shown}`, { hint });
    }
    const { name, definition } = known;
    const given = flags.get(name) ?? [];
    flags.set(name, given);
    if (value !== undefined) given.push(value);
    else if (definition.type === 'boolean') given.push('true');
    else {
      at += 1;
      const next = argv[at];
      if (next === undefined) throw new UserError(`flag needs an argument: --${spelled}`, { hint });
      given.push(next);
    }
  }
  return { flags, words };
}

/** A switch of a command that has no configuration. Throws UserError when its value is none. */
export function isOn({ flags }: GivenFlags, name: string): boolean {
  const value = flags.get(name)?.at(-1);
  if (value === undefined || /^(0|f|false)$/i.test(value)) return false;
  if (/^(1|t|true)$/i.test(value)) return true;
  throw new UserError(`invalid argument ${JSON.stringify(value)} for --${name}: expected true or false`);
}

/** Throws UserError for words that a command has no use for. */
export function expectWords({ words }: GivenFlags, most: number, id: string): void {
  const extra = words[most];
  if (extra !== undefined) {
    throw new UserError(`unexpected argument: ${extra}`, { hint: `See: semaphore ${id.replaceAll(':', ' ')} --help` });
  }
}
