const keptCharacters = 4096;

/**
 * The event of `line` with its long texts cut off, for a server that does not take it as it is (413). Undefined when there is nothing
 * to cut.
 */
export function shortenedLine(line: string): string | undefined {
  const event: unknown = JSON.parse(line);
  if (typeof event !== 'object' || event === null) return undefined;
  let isShorter = false;
  const fields = Object.entries(event).map(([key, value]: [string, unknown]): [string, unknown] => {
    if (typeof value !== 'string' || value.length <= keptCharacters) return [key, value];
    isShorter = true;
    const left = value.length - keptCharacters;
    return [key, `${value.slice(0, keptCharacters)}… [${left} more characters: too long for the server]\n`];
  });
  return isShorter ? JSON.stringify(Object.fromEntries(fields)) : undefined;
}
