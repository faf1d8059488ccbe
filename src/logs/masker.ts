/** What stands in a log where a secret was. */
export const maskText = '***';

/** A secret in a text, `[start, end)`. */
export interface Span {
  start: number;
  end: number;
}

export interface Masker {
  /** `text` with every secret replaced. */
  mask(text: string): string;
  /**
   * Where secrets are in UTF-8 bytes that were read as latin1 (one character a byte), in order and without overlap. That
   * is how a log is searched: nothing is decoded, and what has no secret in it is copied as it is.
   */
  find(bytes: string): Span[];
}

const nothing: Masker = { mask: (text) => text, find: () => [] };

/**
 * Builds a masker for `secrets`: each as it is, line by line when it has several, and in the forms in which tools print it
 * most (base64, URL-encoded, escaped for JSON). One alternation, longest first, which V8 searches faster than any table for
 * the few needles of a task. Texts shorter than `minLength` are left alone: masking `1` or `no` would shred the log.
 */
export function createMasker(secrets: Iterable<string>, minLength: number): Masker {
  const needles = new Set<string>();
  for (const secret of secrets) {
    for (const line of linesOf(secret)) {
      for (const form of formsOf(line)) if (form.length >= minLength) needles.add(form);
    }
  }
  if (needles.size === 0) return nothing;
  const text = alternation(needles);
  const bytes = alternation([...needles].map((needle) => Buffer.from(needle, 'utf8').toString('latin1')));
  return {
    mask: (value) => value.replace(text, maskText),
    find: (value) => {
      const spans: Span[] = [];
      bytes.lastIndex = 0;
      for (let match = bytes.exec(value); match; match = bytes.exec(value)) {
        spans.push({ start: match.index, end: match.index + match[0].length });
      }
      return spans;
    },
  };
}

function linesOf(secret: string): string[] {
  return secret.split(/[\r\n]+/).map((line) => line.trim());
}

function formsOf(secret: string): string[] {
  const base64 = Buffer.from(secret, 'utf8').toString('base64');
  return [secret, base64, base64.replace(/=+$/, ''), encode(secret), JSON.stringify(secret).slice(1, -1)];
}

function encode(secret: string): string {
  // A lone surrogate cannot be encoded; in UTF-8 it is U+FFFD anyway.
  return encodeURIComponent(Buffer.from(secret, 'utf8').toString('utf8'));
}

function alternation(needles: Iterable<string>): RegExp {
  const sorted = [...needles].sort((a, b) => b.length - a.length);
  return new RegExp(sorted.map(escapeRegExp).join('|'), 'g');
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
