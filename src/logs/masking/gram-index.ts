import { escapeAt } from './escapes.ts';
import { codeOf, lengthOf, unseen } from './found.ts';
import type { SearchedSpelling, Spelling, SymbolStream } from './spelling.ts';
import { advanceWindow, gramLength, introduces, isSymbol, shiftBits, spread, symbolTable } from './symbols.ts';
import { colourLength, escape } from './terminal.ts';

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

/** The last four symbols make every search slower, and are taken only to get away from dozens of other secrets. */
const costOfLast = 5000;

/** Escape sequences that are read on with at most: so often is a byte looked at, in the worst case. */
const maxSequences = 64;

/** Before this symbol a text's escape sequence may have taken the beginning of a secret for its own end. */
const clearOfEscapes = 5;

/**
 * Finds the places of a text at which a spelling may stand, in one pass.
 *
 * Four symbols of each spelling are its anchor. The pass keeps a window of the last four symbols of the text and looks it
 * up in a table, which costs a nanosecond a byte whatever the number of secrets: 1 to 2 GB/s are out of reach in JavaScript,
 * an alternation of 250 texts makes 5 MB/s. Where an escape sequence begins, the next symbols are read a second time, as
 * what the sequences of that kind stand for. So a secret is found whether the backslashes and percent signs in it and
 * before it are its own or a tool's, and the work stays within a small multiple of the length of the text.
 *
 * Every second place is enough to look at as long as the symbol behind each anchor is known: then the table has the window
 * one symbol later, too, and one of the two is met. That is so unless a secret has just four symbols.
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
  /** An anchor ends with the last symbol of its spelling, so that nothing is known of the one behind it. */
  #dense = false;
  /** Of the scan: the symbols before where `#closely` ended. */
  #window = 0;

  /** With `heads` the anchors are the first four symbols: for texts that may end within a secret. */
  constructor(spellings: readonly SearchedSpelling[], heads = false) {
    const needed = Math.ceil(Math.log2(Math.max(1, spellings.length * entriesPerAnchor)));
    const bits = Math.min(filterBits.most, Math.max(filterBits.least, needed));
    this.#filter = new Uint8Array(2 ** bits);
    this.#shift = 32 - bits;
    const all = heads ? new Map<number, number>() : countGrams(spellings);
    for (const { spelling, streams } of spellings) {
      const ends = streams.map((stream) => (heads ? firstEnd(stream) : this.#bestEnd(stream, all)));
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
    const dense = this.#dense;
    const last = bytes.length - gramLength;
    let window = 0;
    let at = 0;
    while (at <= last) {
      const before = window;
      const first = table[bytes[at] ?? 0] ?? 0;
      window = (window << first) | (first >>> 8);
      let hit = dense ? (filter[Math.imul(window, spread) >>> shift] ?? 0) : 0;
      const second = table[bytes[at + 1] ?? 0] ?? 0;
      window = (window << second) | (second >>> 8);
      hit |= filter[Math.imul(window, spread) >>> shift] ?? 0;
      const third = table[bytes[at + 2] ?? 0] ?? 0;
      window = (window << third) | (third >>> 8);
      if (dense) hit |= filter[Math.imul(window, spread) >>> shift] ?? 0;
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
        const length = byte === escape ? colourLength(bytes, at) : 0;
        if (length > 0) {
          at += length;
          continue;
        }
        // The most frequent one in logs, a quote in JSON, means nothing new.
        const quote = byte === backslash && bytes[at + 1] === doubleQuote;
        if (!quote) this.#decode(bytes, at, window, visit);
      }
      window = (window << entry) | (entry >>> 8);
      at += 1;
      if ((entry & shiftBits) !== 0) this.#look(window, at, visit);
    }
    this.#window = window;
    return at;
  }

  /**
   * Reads on with what the escape sequence at `from`, and others of its kind, stand for, as far as it matters for the
   * windows that this first one is a part of. Further windows are the business of the sequences that follow.
   */
  #decode(bytes: Uint8Array, from: number, before: number, visit: Visit): void {
    const kind = bytes[from];
    let window = before;
    let at = from;
    let sequences = 0;
    for (let symbols = 0; symbols < gramLength && at < bytes.length && sequences < maxSequences;) {
      const byte = bytes[at] ?? 0;
      const found = byte === kind || byte === escape ? escapeAt(bytes, at, bytes.length) : 0;
      if (found !== 0) {
        at += lengthOf(found);
        sequences += 1;
        const code = codeOf(found);
        window = this.#push(window, code, at, visit);
        // The first one may be no symbol; it counts all the same, as the place before those that follow.
        if (sequences === 1 || isSymbol(code)) symbols += 1;
        continue;
      }
      if (sequences === 0) return;
      const entry = symbolTable[byte] ?? 0;
      window = (window << entry) | (entry >>> 8);
      at += 1;
      if ((entry & shiftBits) === 0) continue;
      symbols += 1;
      this.#look(window, at, visit);
    }
  }

  /** The window after a code point whose escape sequence ended at `end`. */
  #push(before: number, code: number, end: number, visit: Visit): number {
    if (code === unseen) return before;
    if (code < 0x80) {
      if (isSymbol(code)) this.#look(advanceWindow(before, code), end, visit);
      return advanceWindow(before, code);
    }
    let window = before;
    for (const byte of Buffer.from(String.fromCodePoint(code), 'utf8')) window = advanceWindow(window, byte);
    this.#look(window, end, visit);
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
    this.#mark(gram);
    if (end + 1 < stream.bytes.length) this.#mark(advanceWindow(gram, stream.bytes[end + 1] ?? 0));
    else this.#dense = true;
    const others = this.#anchors.get(gram);
    if (others) others.push(anchor);
    else this.#anchors.set(gram, [anchor]);
  }

  #mark(gram: number): void {
    this.#filter[Math.imul(gram, spread) >>> this.#shift] = 1;
  }

  /** The position of the last symbol of the best anchor; undefined when there is none. `all` counts the grams of all streams. */
  #bestEnd(stream: SymbolStream, all: ReadonlyMap<number, number>): number | undefined {
    const own = new Map<number, number>();
    eachGram(stream, (gram) => own.set(gram, (own.get(gram) ?? 0) + 1));
    let best: number | undefined;
    let least = Number.POSITIVE_INFINITY;
    eachGram(stream, (gram, end) => {
      if ((stream.units[end] ?? -1) < 0) return;
      const early = end - gramLength + 1 < clearOfEscapes ? 1 : 0;
      const last = end === stream.bytes.length - 1 ? costOfLast : 0;
      const cost =
        (own.get(gram) ?? 1) * 1e6 + (all.get(gram) ?? 1) * 100 + commonness(stream, end) * 10 + early + last;
      if (cost >= least) return;
      best = end;
      least = cost;
    });
    return best;
  }
}

function countGrams(spellings: readonly SearchedSpelling[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { streams } of spellings) {
    for (const stream of streams) eachGram(stream, (gram) => counts.set(gram, (counts.get(gram) ?? 0) + 1));
  }
  return counts;
}

function eachGram(stream: SymbolStream, visit: (gram: number, end: number) => void): void {
  let window = 0;
  for (let end = 0; end < stream.bytes.length; end += 1) {
    window = advanceWindow(window, stream.bytes[end] ?? 0);
    if (end >= gramLength - 1) visit(window, end);
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
