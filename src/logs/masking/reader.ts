import { codeOf, escapeAt, escapesBefore, lengthOf, unseen } from './escapes.ts';
import { accepts, gaps, type Spelling } from './spelling.ts';
import { introduces, symbolTable } from './symbols.ts';

/** White space between two units is followed so far, bytes. */
const longestGap = 4096;
/** Readings of a text that are followed at a time. */
const maxReadings = 32;

const backslash = 0x5c;
const equals = 0x3d;

/** How many backslashes stand before a character that was escaped once, twice or three times, and 0. */
const escapeLevels = [0, 1, 3, 7];
/** How many there are for one backslash. */
const backslashLevels = [2, 4, 8];

/** Ways to write a character that differ from tool to tool: shells that end and begin a quote around it, and doubling. */
const quotings = new Map<number, readonly Buffer[]>(
  Object.entries({
    "'": [`'\\''`, `'"'"'`, `''`],
    '"': [`"'"'"`, `""`, `'"'`],
    '%': ['%%'],
    $: ['$$'],
  }).map(([char, forms]) => [char.charCodeAt(0), forms.map((form) => Buffer.from(form, 'latin1'))]),
);

/**
 * Reads a text as the units of a spelling, forwards and backwards from where the search found something. A character may be
 * there as it is, escaped in any of the usual ways, or in quotes; several readings are followed where more than one is
 * possible (`\\` is one backslash or two).
 */
export class Reader {
  /** Steps taken so far: units and gaps that were looked at. Tests bound it. */
  steps = 0;
  /** Set when a reading could have gone on if the text had. */
  reachedEnd = false;
  #bytes: Uint8Array = new Uint8Array();

  /** The text to read from now on. */
  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
  }

  /** The greatest end of units `first` and following that begin at `at`; -1 when they do not stand there. */
  forward(spelling: Spelling, first: number, at: number): number {
    let readings = [at];
    for (let unit = first; unit < spelling.units.length; unit += 1) {
      const next: number[] = [];
      for (const reading of readings) {
        const gap = unit === 0 ? undefined : (spelling.gaps[unit] ?? gaps.none);
        for (const begin of gap === undefined ? [reading] : this.#afterGap(reading, gap)) {
          this.#unitAfter(spelling, unit, begin, next);
        }
      }
      if (next.length === 0) return -1;
      readings = next;
    }
    return this.#withPadding(spelling, Math.max(...readings));
  }

  /** The least beginning of the units up to `last`, which ends at `end`; -1 when they do not stand there. */
  backward(spelling: Spelling, last: number, end: number): number {
    let readings = [end];
    for (let unit = last; unit >= 0; unit -= 1) {
      const next: number[] = [];
      for (const reading of readings) {
        // Between this unit and the one after it, which was read before.
        const ends = unit === last ? [reading] : this.#beforeGap(reading, spelling.gaps[unit + 1] ?? gaps.none);
        for (const unitEnd of ends) this.#unitBefore(spelling, unit, unitEnd, next);
      }
      if (next.length === 0) return -1;
      readings = next;
    }
    return Math.min(...readings);
  }

  #unitAfter(spelling: Spelling, unit: number, at: number, ends: number[]): void {
    const bytes = this.#bytes;
    this.steps += 1;
    if (at >= bytes.length) {
      this.reachedEnd = true;
      return;
    }
    const byte = bytes[at] ?? 0;
    const length = charLength(byte);
    if (accepts(spelling, unit, charAt(bytes, at, length))) add(ends, at + length);
    if (((symbolTable[byte] ?? 0) & introduces) !== 0) {
      const found = escapeAt(bytes, at, bytes.length);
      if (found !== 0 && accepts(spelling, unit, codeOf(found))) add(ends, at + lengthOf(found));
    }
    if (byte === backslash) {
      let run = 1;
      while (run <= 8 && bytes[at + run] === backslash) run += 1;
      const next = bytes[at + run] ?? 0;
      if (escapeLevels.includes(run) && isPunctuation(next) && accepts(spelling, unit, next)) add(ends, at + run + 1);
      if (accepts(spelling, unit, backslash)) {
        for (const level of backslashLevels) if (level <= run) add(ends, at + level);
      }
    }
    const quoted = spelling.kind === 'text' ? quotings.get(spelling.units[unit] ?? 0) : undefined;
    for (const form of quoted ?? []) if (this.#stands(form, at)) add(ends, at + form.length);
  }

  #unitBefore(spelling: Spelling, unit: number, end: number, begins: number[]): void {
    const bytes = this.#bytes;
    this.steps += 1;
    if (end <= 0) return;
    const at = charBefore(bytes, end);
    const code = charAt(bytes, at, end - at);
    if (accepts(spelling, unit, code)) {
      let run = 0;
      if (isPunctuation(code)) while (run <= 8 && bytes[at - run - 1] === backslash) run += 1;
      if (code === backslash) {
        add(begins, at);
        for (const level of backslashLevels) if (level <= run + 1) add(begins, end - level);
      } else {
        for (const level of escapeLevels) if (level <= run) add(begins, at - level);
      }
    }
    escapesBefore(bytes, 0, end, (from, escaped) => {
      this.steps += 1;
      if (accepts(spelling, unit, escaped)) add(begins, from);
    });
    const quoted = spelling.kind === 'text' ? quotings.get(spelling.units[unit] ?? 0) : undefined;
    for (const form of quoted ?? []) if (this.#stands(form, end - form.length)) add(begins, end - form.length);
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
      if (position >= bytes.length) {
        this.reachedEnd = true;
        break;
      }
      const length = this.#gapLength(bytes[position] ?? 0, position, kind, seen);
      if (length === 0) break;
      this.steps += 1;
      position += length;
      if (mayBe(kind, seen)) found.push(position);
    }
    return found.length > maxReadings ? [...found.slice(0, maxReadings), position] : found;
  }

  #gapLength(byte: number, position: number, kind: number, seen: { blank: boolean; line: boolean }): number {
    const escaped =
      ((symbolTable[byte] ?? 0) & introduces) !== 0 ? escapeAt(this.#bytes, position, this.#bytes.length) : 0;
    if (escaped !== 0) {
      const code = codeOf(escaped);
      return code === unseen || notes(code, kind, seen) ? lengthOf(escaped) : 0;
    }
    if (byte === backslash && kind === gaps.blank && isBlank(this.#bytes[position + 1] ?? 0)) return 1;
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
      if (begin === position && kind === gaps.blank && seen.blank && bytes[position - 1] === backslash) begin -= 1;
      this.steps += 1;
      if (begin === position) break;
      position = begin;
      if (mayBe(kind, seen)) found.push(position);
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

/** Whether a gap of this kind may hold the character; notes what it has held. */
function notes(code: number, kind: number, seen: { blank: boolean; line: boolean }): boolean {
  if (kind === gaps.none) return false;
  if (isBlank(code)) {
    seen.blank = true;
    if (code === 10 || code === 13) seen.line = true;
    return true;
  }
  if (kind === gaps.blank && code === 0x2b) {
    seen.blank = true;
    return true;
  }
  return kind === gaps.bytes && (code === 0x3a || code === 0x2d || code === 0x2c);
}

function mayBe(kind: number, seen: { blank: boolean; line: boolean }): boolean {
  if (kind === gaps.wrap) return seen.line || !seen.blank;
  return kind !== gaps.blank || seen.blank;
}

function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 9 && code <= 13);
}

function isPunctuation(code: number): boolean {
  return code > 0x20 && code < 0x7f && !/[A-Za-z0-9]/.test(String.fromCharCode(code));
}

function add(positions: number[], position: number): void {
  if (positions.length < maxReadings && !positions.includes(position)) positions.push(position);
}

/** Bytes of the character that begins with `byte`. */
function charLength(byte: number): number {
  if (byte < 0xc2 || byte > 0xf4) return 1;
  return byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/** The code point in `length` bytes at `at`; what is not UTF-8 gives numbers that are no code points. */
function charAt(bytes: Uint8Array, at: number, length: number): number {
  const first = bytes[at] ?? 0;
  if (length === 1) return first < 0x80 ? first : unseen + first;
  let code = first & (0x7f >> length);
  for (let index = 1; index < length; index += 1) {
    const next = bytes[at + index] ?? 0;
    if ((next & 0xc0) !== 0x80) return unseen + first;
    code = (code << 6) | (next & 0x3f);
  }
  return code;
}

function charBefore(bytes: Uint8Array, end: number): number {
  for (let at = end - 1; at >= Math.max(0, end - 4); at -= 1) {
    const byte = bytes[at] ?? 0;
    if ((byte & 0xc0) !== 0x80) return at + charLength(byte) === end ? at : end - 1;
  }
  return end - 1;
}
