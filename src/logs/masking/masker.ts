import { GramIndex, type Anchor } from './gram-index.ts';
import { Reader, type Span } from './reader.ts';
import { accepts, base64Spelling, hexSpelling, symbolsOf, textSpelling, type Spelling } from './spelling.ts';
import { gramLength, introduces, symbolTable } from './symbols.ts';
import { secretLines, worthMasking } from './worth-masking.ts';

/** What stands in a log where a secret was. */
export const maskText = '***';

export interface Masker {
  /** `text` with every secret replaced; `text` itself when there is none in it. */
  mask(text: string): string;
  /** Where secrets are in UTF-8 text, in order, without overlap and apart: the union of all that were found. */
  find(bytes: Uint8Array): Span[];
  /**
   * Where the first secret begins that may go on after the end of `bytes`, because it is wrapped into several lines;
   * `bytes.length` when there is none.
   */
  unfinished(bytes: Uint8Array): number;
  /** No secret in a text is longer, in bytes: what is so far away from a place does not matter for it. 0 without secrets. */
  readonly reach: number;
  /** Steps that were taken to look closely; a bound on work that tests hold. */
  readonly steps: number;
}

const nothing: Masker = {
  mask: (text) => text,
  find: () => [],
  unfinished: (bytes) => bytes.length,
  reach: 0,
  steps: 0,
};

/** Longest text that a secret which only repeats itself is looked for as, characters. */
const longestRepetition = 64;

/** A longer look at the end of a text, for what may go on there, is not worth it. */
const maxUnfinishedSteps = 50_000;

/** Of shorter secrets, where the configuration has them masked, base64 and digits are too common. In characters. */
const leastEncoded = 4;

/** Bytes that a unit takes, with escapes and colours; and what a long secret may take in all. */
const reachOfUnit = { short: 12, long: 3 };
const reachBase = { short: 1024, long: 8192 };

/**
 * Builds a masker for `secrets`: each as it is, line by line when it has several, in base64 and in hexadecimal digits. See
 * `GramIndex` for how they are found, `Reader` for what may be between and around their characters, and `worthMasking` for
 * those that are left alone.
 */
export function createMasker(secrets: Iterable<string>, minLength: number): Masker {
  const spellings = spellingsOf(secrets, minLength);
  return spellings.length === 0 ? nothing : new SecretMasker(spellings);
}

class SecretMasker implements Masker {
  readonly reach: number;
  readonly #reader = new Reader();
  readonly #index: GramIndex;
  readonly #heads: GramIndex;
  /** Whether a secret without anchor may begin with a byte. */
  readonly #begins = new Uint8Array(256);

  constructor(spellings: readonly Spelling[]) {
    const searched = spellings.map((spelling) => ({ spelling, streams: symbolsOf(spelling) }));
    this.#index = new GramIndex(searched);
    this.#heads = new GramIndex(
      searched.filter(({ spelling }) => spelling.gaps.some((gap) => gap !== 0)),
      true,
    );
    for (const spelling of this.#index.without) this.#noteBeginning(spelling);
    const longest = Math.max(...spellings.map(({ units }) => units.length));
    this.reach = Math.min(longest * reachOfUnit.short + reachBase.short, longest * reachOfUnit.long + reachBase.long);
  }

  get steps(): number {
    return this.#reader.steps;
  }

  mask(text: string): string {
    const bytes = Buffer.from(text, 'utf8');
    const spans = this.find(bytes);
    if (spans.length === 0) return text;
    const at = charPositions(text, bytes.length);
    let masked = '';
    let position = 0;
    for (const { start, end } of spans) {
      masked += text.slice(position, at(start)) + maskText;
      position = at(end);
    }
    return masked + text.slice(position);
  }

  find(bytes: Uint8Array): Span[] {
    const spans = new Spans(this.reach);
    this.#reader.open(bytes);
    this.#index.scan(bytes, (anchor, end) => this.#verify(bytes, anchor, end, spans));
    if (this.#index.without.length > 0) this.#findShort(bytes, spans);
    return spans.sorted();
  }

  unfinished(bytes: Uint8Array): number {
    let least = bytes.length;
    if (this.#heads.size === 0) return least;
    const reader = this.#reader;
    reader.open(bytes);
    const most = reader.steps + maxUnfinishedSteps;
    this.#heads.scan(bytes, ({ spelling, unit }, end) => {
      if (reader.steps > most) {
        // Waiting a moment for nothing does no harm.
        least = Math.min(least, Math.max(0, end - gramLength));
        return;
      }
      const start = reader.unfinished(spelling, unit, end);
      if (start !== -1 && bytes.length - start < this.reach) least = Math.min(least, start);
    });
    return least;
  }

  #verify(bytes: Uint8Array, { spelling, unit }: Anchor, end: number, spans: Spans): void {
    const { plain } = spelling;
    if (plain && this.#isPlain(bytes, plain, end - unit - 1)) {
      spans.add(end - unit - 1, end - unit - 1 + plain.length);
      return;
    }
    const span = this.#reader.around(spelling, unit, end);
    if (span) spans.add(span.start, span.end);
  }

  #isPlain(bytes: Uint8Array, plain: Uint8Array, start: number): boolean {
    if (start < 0 || start + plain.length > bytes.length) return false;
    for (let index = 0; index < plain.length; index += 1) {
      this.#reader.steps += 1;
      if (bytes[start + index] !== plain[index]) return false;
    }
    return true;
  }

  /** Secrets with fewer than four symbols (`++"\\`, or shorter ones where the configuration allows them), the slow way. */
  #findShort(bytes: Uint8Array, spans: Spans): void {
    for (let at = 0; at < bytes.length; at += 1) {
      if (this.#begins[bytes[at] ?? 0] === 0) continue;
      for (const spelling of this.#index.without) {
        const end = this.#reader.from(spelling, at);
        if (end !== -1) spans.add(at, end);
      }
    }
  }

  #noteBeginning(spelling: Spelling): void {
    const first = spelling.units[0] ?? 0;
    if (spelling.kind === 'text') this.#begins[Buffer.from(String.fromCodePoint(first), 'utf8')[0] ?? 0] = 1;
    symbolTable.forEach((entry, byte) => {
      const quote = byte === 0x22 || byte === 0x27;
      if (quote || (entry & introduces) !== 0 || (byte < 0x80 && accepts(spelling, 0, byte))) this.#begins[byte] = 1;
    });
  }
}

/** Collects spans, which come almost in order. */
class Spans {
  readonly #reach: number;
  readonly #spans: Span[] = [];

  constructor(reach: number) {
    this.#reach = reach;
  }

  add(start: number, end: number): void {
    if (end - start > this.#reach) return;
    const last = this.#spans.at(-1);
    if (last && start >= last.start && start <= last.end) last.end = Math.max(last.end, end);
    else this.#spans.push({ start, end });
  }

  sorted(): Span[] {
    const union: Span[] = [];
    for (const span of this.#spans.sort((a, b) => a.start - b.start)) {
      const last = union.at(-1);
      if (last && span.start <= last.end) last.end = Math.max(last.end, span.end);
      else union.push(span);
    }
    return union;
  }
}

function spellingsOf(secrets: Iterable<string>, minLength: number): Spelling[] {
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

/** Positions in a text by positions in its UTF-8 bytes, asked for in order. */
function charPositions(text: string, length: number): (byte: number) => number {
  if (text.length === length) return (byte) => byte;
  let position = 0;
  let bytes = 0;
  return (byte) => {
    while (bytes < byte) {
      const code = text.codePointAt(position) ?? 0;
      bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
      position += code < 0x1_0000 ? 1 : 2;
    }
    return position;
  };
}
