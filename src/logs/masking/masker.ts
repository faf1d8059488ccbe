import { GramIndex, type Anchor } from './gram-index.ts';
import { charPositions } from './char-positions.ts';
import { Reader } from './reader.ts';
import { spellingsOf } from './secret-spellings.ts';
import { Spans, type Span } from './spans.ts';
import { accepts, symbolsOf, type Spelling } from './spelling.ts';
import { gramLength, introduces, symbolTable } from './symbols.ts';

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

/** A longer look at the end of a text, for what may go on there, is not worth it. */
const maxUnfinishedSteps = 50_000;

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
