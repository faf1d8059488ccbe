import { UserError } from '../lib/index.ts';

/**
 * The error for a command that does not exist; `typed` as typed, `known` as ids (`runner:start`). Its hint names the
 * command that was probably meant.
 */
export async function unknownCommand(typed: string, known: readonly string[]): Promise<UserError> {
  const { nearestName } = await import('../config/index.ts');
  const words = typed.split(' ');
  const good: string[] = [];
  for (const word of words) {
    const next = nextWords(good, known);
    if (next.includes(word)) {
      good.push(word);
      continue;
    }
    const at = ['semaphore', ...good].join(' ');
    if (next.length === 0) {
      const rest = words.slice(good.length).join(' ');
      return new UserError(`unexpected argument: ${rest}`, { hint: `See: ${at} --help` });
    }
    const [only, ...others] = next.filter((name) => name.startsWith(word));
    const meant = only !== undefined && others.length === 0 ? only : nearestName(word, next);
    return new UserError(`unknown command: ${at} ${word}`, {
      hint: meant === undefined ? `See: ${at} --help` : `Did you mean: ${at} ${meant}?`,
    });
  }
  return new UserError(`unknown command: semaphore ${typed}`, { hint: 'See: semaphore --help' });
}

/** Words that can follow those words. */
function nextWords(words: readonly string[], known: readonly string[]): string[] {
  const parts = known.map((id) => id.split(':')).filter((id) => words.every((word, index) => id[index] === word));
  return [...new Set(parts.flatMap((id) => id[words.length] ?? []))];
}
