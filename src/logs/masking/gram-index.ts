import { codeOf, escape, escapeAt, lengthOf } from './escapes.ts';
import type { SearchedSpelling, Spelling, SymbolStream } from './spelling.ts';
import { advanceWindow, gramLength, introduces, isSymbol, shiftBits, spread, symbolTable } from './symbols.ts';

/** A place in a spelling that the search looks for. */
export interface Anchor {
  spelling: Spelling;
  /** The unit that the four symbols end with. */
  unit: number;
}

/** Called for every place of a text at which `anchor` may end, right before `end`. */
export type Visit = (anchor: Anchor, end: number) => void;

const backslash = 0x5c;
const doubleQuote = 0x22;

/** Size of the filter: at least 2^16, at most 2^20 entries, and so many an anchor that few others are hit. */
const filterBits = { least: 16, most: 20 };
const entriesPerAnchor = 64;

/** Where a spelling may be looked for: so many places of a long one are weighed. */
const maxCandidates = 256;

/** Before this symbol a text's escape sequence may have taken the beginning of a secret for its own end. */
const clearOfEscapes = 5;

/**
 * Finds the places of a text at which a spelling may stand, in one pass.
 *
 * Four symbols of each spelling are its anchor. The pass keeps a window of the last four symbols of the text and looks it
 * up in a table, which costs a nanosecond a byte whatever the number of secrets: 1 to 2 GB/s are out of reach in JavaScript,
 * an alternation of 250 texts makes 5 MB/s. Where an escape sequence begins, the text is read a second time from there as
 * what the sequences stand for, until four symbols behind the last one both readings agree again. So nothing that stands
 * in front of a secret can hide it, and the work is bounded by twice the length of the text.
 *
 * Which four symbols: those that occur in the spelling itself least often, so that a text full of them cannot make the
 * closer look at each of them a long one; then those that other spellings do not use, and that logs have least.
 */
export class GramIndex {
  /** Spellings with too few symbols for an anchor. */
  readonly without: Spelling[] = [];
  readonly #anchors = new Map<number, Anchor[]>();
  readonly #filter: Uint8Array;
  /** What is left of a product of 32 bits is a place in the filter. */
  readonly #shift: number;
  /** Of the scan: the symbols before where `#closely` ended, and the place up to which escape sequences were seen to. */
  #window = 0;
  #decoded = 0;

  /** With `heads` the anchors are the first four symbols: for texts that may end within a secret. */
  constructor(spellings: readonly SearchedSpelling[], heads = false) {
    const needed = Math.ceil(Math.log2(Math.max(1, spellings.length * entriesPerAnchor)));
    const bits = Math.min(filterBits.most, Math.max(filterBits.least, needed));
    this.#filter = new Uint8Array(2 ** bits);
    this.#shift = 32 - bits;
    for (const { spelling, streams } of spellings) {
      const ends = streams.map((stream) => (heads ? firstEnd(stream) : this.#bestEnd(stream)));
      if (ends.includes(undefined)) {
        this.without.push(spelling);
        continue;
      }
      streams.forEach((stream, index) => this.#add(spelling, stream, ends[index] ?? 0));
    }
  }

  get size(): number {
    return this.#anchors.size;
  }

  /** Walks over `bytes`. */
  scan(bytes: Uint8Array, visit: Visit): void {
    const filter = this.#filter;
    const shift = this.#shift;
    const table = symbolTable;
    const last = bytes.length - gramLength;
    this.#decoded = 0;
    let window = 0;
    let at = 0;
    while (at <= last) {
      const before = window;
      const first = table[bytes[at] ?? 0] ?? 0;
      window = (window << first) | (first >>> 8);
      let hit = filter[Math.imul(window, spread) >>> shift] ?? 0;
      const second = table[bytes[at + 1] ?? 0] ?? 0;
      window = (window << second) | (second >>> 8);
      hit |= filter[Math.imul(window, spread) >>> shift] ?? 0;
      const third = table[bytes[at + 2] ?? 0] ?? 0;
      window = (window << third) | (third >>> 8);
      hit |= filter[Math.imul(window, spread) >>> shift] ?? 0;
      const fourth = table[bytes[at + 3] ?? 0] ?? 0;
      window = (window << fourth) | (fourth >>> 8);
      hit |= filter[Math.imul(window, spread) >>> shift] ?? 0;
      at += 4;
      if ((hit | ((first | second | third | fourth) & introduces)) !== 0) {
        at = this.#closely(bytes, at - 4, at, before, visit);
        window = this.#window;
      }
    }
    this.#closely(bytes, at, bytes.length, window, visit);
  }

  /** Does the same byte by byte up to `to`, or the end of a colour that begins before; leaves the window. Returns where it is. */
  #closely(bytes: Uint8Array, from: number, to: number, before: number, visit: Visit): number {
    let window = before;
    let at = from;
    while (at < to) {
      const byte = bytes[at] ?? 0;
      const entry = symbolTable[byte] ?? 0;
      if ((entry & introduces) !== 0) {
        const length = byte === escape ? lengthOf(escapeAt(bytes, at, bytes.length)) : 0;
        if (length > 0) {
          at += length;
          continue;
        }
        // The most frequent one in logs, a quote in JSON, means nothing new.
        const quote = byte === backslash && bytes[at + 1] === doubleQuote;
        if (!quote && at >= this.#decoded) this.#decoded = this.#decode(bytes, at, window, visit);
      }
      window = (window << entry) | (entry >>> 8);
      at += 1;
      if ((entry & shiftBits) !== 0) this.#look(window, at, visit);
    }
    this.#window = window;
    return at;
  }

  /** Reads what escape sequences stand for, from `from` on until they no longer matter. Returns where that is. */
  #decode(bytes: Uint8Array, from: number, before: number, visit: Visit): number {
    const filter = this.#filter;
    const shift = this.#shift;
    const table = symbolTable;
    let window = before;
    let at = from;
    let plain = gramLength;
    while (at < bytes.length) {
      const entry = table[bytes[at] ?? 0] ?? 0;
      const found = (entry & introduces) === 0 ? 0 : escapeAt(bytes, at, bytes.length);
      if (found !== 0) {
        at += lengthOf(found);
        plain = 0;
        window = this.#push(window, codeOf(found), at, visit);
        continue;
      }
      if (plain >= gramLength) return at + 1;
      window = (window << entry) | (entry >>> 8);
      at += 1;
      if ((entry & shiftBits) === 0) continue;
      plain += 1;
      if (filter[Math.imul(window, spread) >>> shift] !== 0) this.#look(window, at, visit);
    }
    return at;
  }

  /** The window after a code point whose escape sequence ended at `end`. */
  #push(before: number, code: number, end: number, visit: Visit): number {
    if (code >= 0x11_0000) return before;
    if (code < 0x80) {
      const window = advanceWindow(before, code);
      if (isSymbol(code)) this.#look(window, end, visit);
      return window;
    }
    let window = before;
    for (const byte of Buffer.from(String.fromCodePoint(code), 'utf8')) {
      window = advanceWindow(window, byte);
      this.#look(window, end, visit);
    }
    return window;
  }

  #look(window: number, end: number, visit: Visit): void {
    if (this.#filter[Math.imul(window, spread) >>> this.#shift] === 0) return;
    const anchors = this.#anchors.get(window);
    if (anchors) for (const anchor of anchors) visit(anchor, end);
  }

  #add(spelling: Spelling, stream: SymbolStream, end: number): void {
    const gram = gramAt(stream, end);
    const anchor = { spelling, unit: stream.units[end] ?? 0 };
    this.#filter[Math.imul(gram, spread) >>> this.#shift] = 1;
    const others = this.#anchors.get(gram);
    if (others) others.push(anchor);
    else this.#anchors.set(gram, [anchor]);
  }

  /** The position of the last symbol of the best anchor; undefined when there is none. */
  #bestEnd(stream: SymbolStream): number | undefined {
    const counts = new Map<number, number>();
    for (let end = gramLength - 1; end < stream.bytes.length; end += 1) {
      const gram = gramAt(stream, end);
      counts.set(gram, (counts.get(gram) ?? 0) + 1);
    }
    let best = -1;
    let least = Infinity;
    const step = Math.ceil(stream.bytes.length / maxCandidates);
    for (let end = gramLength - 1; end < stream.bytes.length; end += step) {
      if ((stream.units[end] ?? -1) < 0) continue;
      const gram = gramAt(stream, end);
      const repeats = counts.get(gram) ?? 1;
      const shared = this.#anchors.get(gram)?.length ?? 0;
      const early = end - gramLength + 1 < clearOfEscapes ? 1 : 0;
      const cost = repeats * 1000 + shared * 100 + commonness(stream, end) * 10 + early;
      if (cost < least) {
        best = end;
        least = cost;
      }
    }
    return best === -1 ? undefined : best;
  }
}

/** The end of the first anchor. */
function firstEnd(stream: SymbolStream): number | undefined {
  const end = stream.units.findIndex((unit, index) => index >= gramLength - 1 && unit >= 0);
  return end === -1 ? undefined : end;
}

function gramAt(stream: SymbolStream, end: number): number {
  let window = 0;
  for (let index = end - gramLength + 1; index <= end; index += 1) {
    window = advanceWindow(window, stream.bytes[index] ?? 0);
  }
  return window;
}

/** How likely logs have these symbols together: words and numbers most, mixtures least. */
function commonness(stream: SymbolStream, end: number): number {
  let letters = 0;
  let digits = 0;
  for (let index = end - gramLength + 1; index <= end; index += 1) {
    const byte = stream.bytes[index] ?? 0;
    if (byte >= 0x61 && byte <= 0x7a) letters += 1;
    else if (byte >= 0x2e && byte <= 0x39) digits += 1;
  }
  return Math.max(letters, digits);
}
