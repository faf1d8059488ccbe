/** Character classes of POSIX, within brackets. */
const classes: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  digit: '0-9',
  lower: 'a-z',
  punct: String.raw`!-\/:-@\[-\x60{-~`,
  space: String.raw`\s`,
  upper: 'A-Z',
  word: String.raw`\w`,
  xdigit: '0-9A-Fa-f',
};

/**
 * A regular expression of Go (RE2), in which the patterns of `kubernetes-allowed-images` are written, as one of JavaScript. What the two
 * spell differently is translated: flags at the beginning, `\A`, `\z`, `(?P<name>`, `[[:digit:]]`. Throws SyntaxError.
 */
export function imagePattern(text: string): RegExp {
  const [, flags = '', rest = ''] = /^(?:\(\?([imsU]+)\))?(.*)$/s.exec(text) ?? [];
  if (flags.includes('U')) throw new SyntaxError('the flag U is not supported');
  const source = rest
    .replaceAll(/\\[Az]|\\./gs, (escape) =>
      escape === String.raw`\A` ? '^' : escape === String.raw`\z` ? '$' : escape,
    )
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\[:(\w+):\]/g, (whole, name: string) => classes[name] ?? whole);
  return new RegExp(source, flags);
}
