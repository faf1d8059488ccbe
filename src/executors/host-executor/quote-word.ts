/** A word for the shell, with the quotes of the original: none when it needs none (spec CI 5.4). Also for byte strings. */
export function quoteWord(word: string): string {
  if (word === '') return "''";
  return /[^A-Za-z0-9_@%+=:,./-]/.test(word) ? `'${word.replaceAll("'", `'"'"'`)}'` : word;
}
