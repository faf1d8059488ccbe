import { base64Spelling, hexSpelling, textSpelling, type Spelling } from './spelling.ts';
import { secretLines, worthMasking } from './worth-masking.ts';

/** Longest text that a secret which only repeats itself is looked for as, characters. */
const longestRepetition = 64;

/** Of shorter secrets, where the configuration has them masked, base64 and digits are too common. In characters. */
const leastEncoded = 4;

/**
 * What secrets are looked for as: each as it is, line by line when it has several, in base64 and in hexadecimal digits.
 */
export function spellingsOf(secrets: Iterable<string>, minLength: number): Spelling[] {
  const texts = new Set<string>();
  const contents = new Set<string>();
  for (const secret of secrets) {
    // A lone surrogate is U+FFFD in every text that leaves a process.
    const text = Buffer.from(secret.trim(), 'utf8').toString('utf8');
    const lines = secretLines(text);
    const parts = lines.length > 1 ? [lines.join('\n'), ...lines] : lines;
    for (const part of parts) if (worthMasking(part, minLength)) texts.add(part);
    for (const content of [text, text.replaceAll('\r\n', '\n'), ...parts]) {
      if (content.length >= leastEncoded && worthMasking(content, minLength)) contents.add(content);
    }
  }
  const spellings: Spelling[] = [];
  for (const text of texts) spellings.push(textSpelling(withoutRepetition(text)));
  for (const content of contents) {
    const bytes = Buffer.from(withoutRepetition(content), 'utf8');
    for (const offset of [0, 1, 2]) spellings.push(base64Spelling(bytes, offset));
    spellings.push(hexSpelling(bytes));
  }
  return spellings;
}

/**
 * A long text that is nothing but a short one again and again counts from its beginning on: looking closely at a log of the
 * same would take as many steps a byte as the text has characters.
 */
function withoutRepetition(text: string): string {
  return text.length > longestRepetition && periodOf(text) <= longestRepetition / 4
    ? text.slice(0, longestRepetition)
    : text;
}

/** The least distance at which a text is the same as itself. */
function periodOf(text: string): number {
  // Of every beginning, the length of the longest end that is a beginning too.
  const borders = new Uint32Array(text.length);
  for (let index = 1, border = 0; index < text.length; index += 1) {
    while (border > 0 && text[index] !== text[border]) border = borders[border - 1] ?? 0;
    if (text[index] === text[border]) border += 1;
    borders[index] = border;
  }
  return text.length - (borders.at(-1) ?? 0);
}
