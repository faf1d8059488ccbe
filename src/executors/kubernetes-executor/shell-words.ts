import { UserError } from '../../lib/index.ts';

/**
 * Splits a text into words as docker compose does with `command` and `entrypoint`: at spaces, with quotes and backslashes of a shell, and
 * nothing else of it. Throws UserError when a quote is not closed.
 */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: '"' | "'" | undefined;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    const next = text[at + 1];
    if (quote === "'") {
      if (character === quote) quote = undefined;
      else word = (word ?? '') + character;
    } else if (character === '\\' && next !== undefined && (quote === undefined || /["\\$`]/.test(next))) {
      word = (word ?? '') + next;
      at += 1;
    } else if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else word = (word ?? '') + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (quote !== undefined) throw new UserError(`a quote (${quote}) is not closed in: ${text}`);
  if (word !== undefined) words.push(word);
  return words;
}
