/**
 * Compiles a debug filter: names of contexts separated by commas, `*` for any text, a leading `-` to leave one out. Without
 * a positive name everything that is not left out passes.
 */
export function contextFilter(expression: string | undefined): (context: unknown) => boolean {
  const parts = (expression ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const out = parts.filter((part) => part.startsWith('-')).map((part) => pattern(part.slice(1)));
  const wanted = parts.filter((part) => !part.startsWith('-')).map(pattern);
  return (context) => {
    const name = typeof context === 'string' ? context : '';
    if (out.some((expr) => expr.test(name))) return false;
    return wanted.length === 0 || wanted.some((expr) => expr.test(name));
  };
}

function pattern(text: string): RegExp {
  const escaped = text.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`, 'i');
}
