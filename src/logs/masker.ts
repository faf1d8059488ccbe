/** What stands in a log where a secret was. */
export const maskText = '***';

export interface Masker {
  /** `text` with every secret replaced. */
  mask(text: string): string;
  /**
   * The largest position at or below `position` that does not lie inside a secret, so that a long line may be cut there
   * without tearing a secret in two.
   */
  safeCut(text: string, position: number): number;
}

const nothing: Masker = { mask: (text) => text, safeCut: (_text, position) => position };

/**
 * Builds a masker for `secrets`: each as it is, and in the forms in which tools print it most (base64, URL-encoded,
 * escaped for JSON). One alternation, longest first, which V8 searches faster than any table for the few needles of a
 * task. Secrets shorter than `minLength` characters are left alone: masking `1` or `no` would shred the log.
 */
export function createMasker(secrets: Iterable<string>, minLength: number): Masker {
  const needles = new Set<string>();
  for (const secret of secrets) {
    for (const form of formsOf(secret)) {
      if (form.length >= minLength) needles.add(form);
    }
  }
  if (needles.size === 0) return nothing;
  const sorted = [...needles].sort((a, b) => b.length - a.length);
  const source = sorted.map(escapeRegExp).join('|');
  const all = new RegExp(source, 'g');
  const longest = sorted[0]?.length ?? 0;
  return {
    mask: (text) => text.replace(all, maskText),
    safeCut: (text, position) => {
      const start = Math.max(0, position - longest + 1);
      const region = text.slice(start, position + longest - 1);
      for (const match of region.matchAll(all)) {
        const from = start + match.index;
        if (from < position && from + match[0].length > position) return from;
      }
      return position;
    },
  };
}

function formsOf(secret: string): string[] {
  const base64 = Buffer.from(secret, 'utf8').toString('base64');
  return [secret, base64, base64.replace(/=+$/, ''), encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)];
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
