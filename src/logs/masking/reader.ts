import { charAt, charBefore, charLength } from './characters.ts';
import { escapeAt, escapesBefore } from './escapes.ts';
import { codeOf, lengthOf, unseen } from './found.ts';
import { mayBeEscaped, mayEnd, notes, type SeenInGap } from './gap-rules.ts';
import { quotingsOf } from './quotings.ts';
import type { Span } from './spans.ts';
import { accepts, gaps, isLetterOrDigit, isPunctuation, type Spelling } from './spelling.ts';
import { introduces, symbolTable } from './symbols.ts';

/** White space between two units is followed so far, bytes. */
const longestGap = 4096;
/** Readings of a text that are followed at a time. */
const maxReadings = 32;

/** Lengths of what may be cut off at the end of a text: a character in quotes, or in UTF-8, and an escape sequence. */
const longestQuoting = 5;
const longestEscape = 64;

const backslash = 0x5c;
const equals = 0x3d;

/**
 * How often a text was escaped with backslashes, at most: JSON in JSON in JSON. At level n there are 2^n backslashes for one,
 * and 2^n - 1 before a sign that is escaped.
 */
const deepest = 3;

/**
 * Reads a text as the units of a spelling, forwards and backwards from where the search found something. A character may be
 * there as it is, escaped in any of the usual ways, or in quotes. How many backslashes are one is tried level by level;
 * other readings are followed side by side.
 */
export class Reader {
  /** Steps taken so far: units and gaps that were looked at. Tests bound it. */
  steps = 0;
  /** Set when a reading could have gone on if the text had. */
  #reachedEnd = false;
  /** Set when something was read that backslashes can change. */
  #metBackslash = false;
  #bytes: Uint8Array = new Uint8Array();

  /** The text to read from now on. */
  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
  }

  /** The longest stretch that reads as all units, of which `unit` ends right before `end`; undefined when there is none. */
  around(spelling: Spelling, unit: number, end: number): Span | undefined {
    let span: Span | undefined;
    this.#metBackslash = false;
    for (let level = 0; level === 0 || (level <= deepest && this.#isEscaped(spelling)); level += 1) {
      // Forwards first: what begins there can be told from its first byte.
      const last = this.#forward(spelling, unit + 1, end, level);
      if (last === -1) continue;
      const start = this.#backward(spelling, unit, end, level);
      if (start === -1) continue;
      span = { start: Math.min(start, span?.start ?? start), end: Math.max(last, span?.end ?? last) };
    }
    return span;
  }

  /** The greatest end of the units that begin at `at`; -1 when they do not stand there. */
  from(spelling: Spelling, at: number): number {
    let last = -1;
    this.#metBackslash = false;
    for (let level = 0; level === 0 || (level <= deepest && this.#isEscaped(spelling)); level += 1) {
      last = Math.max(last, this.#forward(spelling, 0, at, level));
    }
    return last;
  }

  /**
   * Where the units begin of which `unit` ends right before `end` and of which the text ends before the last; -1 when it does
   * not end so.
   */
  unfinished(spelling: Spelling, unit: number, end: number): number {
    let least = -1;
    this.#metBackslash = false;
    for (let level = 0; level === 0 || (level <= deepest && this.#isEscaped(spelling)); level += 1) {
      this.#reachedEnd = false;
      if (this.#forward(spelling, unit + 1, end, level) !== -1 || !this.#reachedEnd) continue;
      const start = this.#backward(spelling, unit, end, level);
      if (start !== -1) least = least === -1 ? start : Math.min(least, start);
    }
    return least;
  }

  #isEscaped(spelling: Spelling): boolean {
    return this.#metBackslash && spelling.punctuated;
  }

  /** From unit number `first` at `at` on. */
  #forward(spelling: Spelling, first: number, at: number, level: number): number {
    let readings = [at];
    for (let unit = first; unit < spelling.units.length; unit += 1) {
      const [only = at] = readings;
      const byte = this.#bytes[only] ?? 0;
      if (readings.length === 1 && isLetterOrDigit(byte)) {
        // Neither a gap nor an escape sequence begins so.
        this.steps += 1;
        if (this.#mayGoOn(byte, only)) this.#reachedEnd = true;
        if ((unit > 0 && spelling.gaps[unit] === gaps.blank) || !accepts(spelling, unit, byte)) return -1;
        readings[0] = only + 1;
        continue;
      }
      const next: number[] = [];
      for (const reading of readings) {
        const begins = unit === 0 ? [reading] : this.#afterGap(reading, spelling.gaps[unit] ?? gaps.none);
        for (const begin of begins) this.#unitAfter(spelling, unit, begin, level, next);
      }
      if (next.length === 0) return -1;
      readings = next;
    }
    return this.#withPadding(spelling, Math.max(...readings));
  }

  /** Up to unit number `last`, which ends right before `end`. */
  #backward(spelling: Spelling, last: number, end: number, level: number): number {
    let readings = [end];
    for (let unit = last; unit >= 0; unit -= 1) {
      const next: number[] = [];
      for (const reading of readings) {
        // Between this unit and the one after it, which was read before.
        const ends = unit === last ? [reading] : this.#beforeGap(reading, spelling.gaps[unit + 1] ?? gaps.none);
        for (const unitEnd of ends) this.#unitBefore(spelling, unit, unitEnd, level, next);
      }
      if (next.length === 0) return -1;
      readings = next;
    }
    return Math.min(...readings);
  }

  #unitAfter(spelling: Spelling, unit: number, at: number, level: number, ends: number[]): void {
    const bytes = this.#bytes;
    this.steps += 1;
    const byte = bytes[at] ?? 0;
    if (this.#mayGoOn(byte, at)) this.#reachedEnd = true;
    if (at >= bytes.length) return;
    if (byte === backslash) this.#afterBackslash(spelling, unit, at, level, ends);
    else {
      const length = charLength(byte);
      if (accepts(spelling, unit, charAt(bytes, at, length))) add(ends, at + length);
    }
    if (((symbolTable[byte] ?? 0) & introduces) !== 0) {
      const found = escapeAt(bytes, at, bytes.length);
      if (found !== 0 && !isPair(found) && accepts(spelling, unit, codeOf(found))) add(ends, at + lengthOf(found));
    }
    for (const form of quotingsOf(spelling, unit)) if (this.#stands(form, at)) add(ends, at + form.length);
  }

  #afterBackslash(spelling: Spelling, unit: number, at: number, level: number, ends: number[]): void {
    this.#metBackslash = true;
    const one = 2 ** level;
    let run = 1;
    while (run < one && this.#bytes[at + run] === backslash) run += 1;
    if (run === one && accepts(spelling, unit, backslash)) add(ends, at + one);
    const next = this.#bytes[at + one - 1] ?? 0;
    const escaped = level > 0 && run === one - 1 && isPunctuation(next);
    if (escaped && accepts(spelling, unit, next)) add(ends, at + one);
  }

  #unitBefore(spelling: Spelling, unit: number, end: number, level: number, begins: number[]): void {
    const bytes = this.#bytes;
    this.steps += 1;
    if (end <= 0) return;
    const at = charBefore(bytes, end);
    const code = charAt(bytes, at, end - at);
    if (code === backslash || bytes[at - 1] === backslash) this.#metBackslash = true;
    if (accepts(spelling, unit, code)) {
      const one = 2 ** level;
      const first = code === backslash ? end - one : at - one + 1;
      const all = first >= 0 && bytes.subarray(first, at).every((byte) => byte === backslash);
      if (all && (code === backslash || isPunctuation(code))) add(begins, first);
      if (code !== backslash) add(begins, at);
    }
    escapesBefore(bytes, 0, end, (from, escaped) => {
      this.steps += 1;
      if (!(escaped === backslash && bytes[from + 1] === backslash) && accepts(spelling, unit, escaped))
        add(begins, from);
    });
    for (const form of quotingsOf(spelling, unit))
      if (this.#stands(form, end - form.length)) add(begins, end - form.length);
  }

  /** Whether the text ends within what begins at `at`. */
  #mayGoOn(byte: number, at: number): boolean {
    const left = this.#bytes.length - at;
    return left < longestQuoting || (left < longestEscape && ((symbolTable[byte] ?? 0) & introduces) !== 0);
  }

  #stands(form: Uint8Array, at: number): boolean {
    return at >= 0 && form.every((byte, index) => this.#bytes[at + index] === byte);
  }

  /** Where a unit may begin after a gap at `at`. */
  #afterGap(at: number, kind: number): number[] {
    const bytes = this.#bytes;
    const found = kind === gaps.blank ? [] : [at];
    const seen = { blank: false, line: false };
    let position = at;
    while (position - at < longestGap) {
      if (position >= bytes.length) break;
      const length = this.#gapLength(bytes[position] ?? 0, position, kind, seen);
      if (length === 0) break;
      this.steps += 1;
      position += length;
      if (mayEnd(kind, seen)) found.push(position);
    }
    return found.length > maxReadings ? [...found.slice(0, maxReadings), position] : found;
  }

  #gapLength(byte: number, position: number, kind: number, seen: SeenInGap): number {
    const escaped =
      ((symbolTable[byte] ?? 0) & introduces) !== 0 ? escapeAt(this.#bytes, position, this.#bytes.length) : 0;
    if (escaped !== 0) {
      const code = codeOf(escaped);
      return code === unseen || notes(code, kind, seen) ? lengthOf(escaped) : 0;
    }
    if (byte === backslash && mayBeEscaped(this.#bytes[position + 1] ?? 0, kind)) return 1;
    return notes(byte, kind, seen) ? 1 : 0;
  }

  /** Where a unit may end before a gap that ends at `end`. */
  #beforeGap(end: number, kind: number): number[] {
    const bytes = this.#bytes;
    const found = kind === gaps.blank ? [] : [end];
    const seen = { blank: false, line: false };
    let position = end;
    while (position > 0 && end - position < longestGap) {
      let begin = position;
      escapesBefore(bytes, 0, position, (from, code) => {
        if (code === unseen || notes(code, kind, seen)) begin = Math.min(begin, from);
      });
      if (begin === position && notes(bytes[position - 1] ?? 0, kind, seen)) begin -= 1;
      const escaped = position < end && mayBeEscaped(bytes[position] ?? 0, kind);
      if (begin === position && escaped && bytes[position - 1] === backslash) begin -= 1;
      this.steps += 1;
      if (begin === position) break;
      position = begin;
      if (mayEnd(kind, seen)) found.push(position);
    }
    return found.length > maxReadings ? [...found.slice(0, maxReadings), position] : found;
  }

  #withPadding({ padding }: Spelling, end: number): number {
    let position = end;
    for (let count = 0; count < padding; count += 1) {
      if (this.#bytes[position] === equals) position += 1;
      else if (codeOf(escapeAt(this.#bytes, position, this.#bytes.length)) === equals) position += 3;
    }
    return position;
  }
}

/** Two backslashes: they are the business of the level. */
function isPair(found: number): boolean {
  return codeOf(found) === backslash && lengthOf(found) === 2;
}

function add(positions: number[], position: number): void {
  if (positions.length < maxReadings && !positions.includes(position)) positions.push(position);
}
