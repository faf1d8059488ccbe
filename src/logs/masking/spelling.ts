import { isSymbol } from './symbols.ts';

/** What may stand between two units of a secret in a text, apart from escape sequences of a terminal, which may always. */
export const gaps = {
  /** Nothing else. */
  none: 0,
  /** White space with a line break in it: a text that was wrapped. */
  wrap: 1,
  /** Any white space. */
  loose: 2,
  /** White space, which is there in the secret too, or a `+`. */
  blank: 3,
  /** Any white space, or one of the signs that part the bytes of a dump. */
  bytes: 4,
} as const;

/**
 * A secret as a series of units, one of its forms of writing: the characters themselves (each of which may be escaped in
 * the text), the characters of base64, or hexadecimal digits.
 */
export interface Spelling {
  kind: 'text' | 'base64' | 'hex';
  /** Code points; six-bit values; lower-case digits. */
  units: Uint32Array;
  /** What may stand before each unit. */
  gaps: Uint8Array;
  /** Bits of the first and the last unit that the secret decides; the others belong to its neighbours. */
  firstMask: number;
  lastMask: number;
  /** `=` at the end, when nothing follows the secret. */
  padding: number;
  /** Whether a text may have backslashes before units. */
  punctuated: boolean;
  /** The bytes, when the text may be compared as it is, before anything else is tried. */
  plain: Uint8Array | undefined;
}

/** The symbols that the search sees of a spelling. */
export interface SymbolStream {
  bytes: number[];
  /** By symbol: the unit it ends, -1 when it ends none. */
  units: number[];
}

/** A spelling and the streams in which it is found. */
export interface SearchedSpelling {
  spelling: Spelling;
  streams: SymbolStream[];
}

/** Wrapping is looked for from so many characters on: the halves of a shorter text are too common to tell. */
const shortestWrapped = 6;
/** The same for other white space, which texts are full of. */
const shortestGrouped = 24;
/** Bytes from which on the dump of a secret may be spaced: short ones are numbers that stand side by side. */
const shortestDump = 8;

const allBits = 0x3f;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Values of the characters of base64 and base64url, by code; 255 for all others. */
export const base64Values = new Uint8Array(128).fill(255);
for (let value = 0; value < 64; value += 1) base64Values[alphabet.charCodeAt(value)] = value;
base64Values[0x2d] = 62;
base64Values[0x5f] = 63;

/** The characters of `text`, which may be wrapped and escaped; white space is a gap between them. */
export function textSpelling(secret: string): Spelling {
  const text = secret.trim();
  const units: number[] = [];
  const between: (number | undefined)[] = [];
  let gap: number | undefined;
  for (const char of text) {
    if (isBlank(char)) {
      gap = gap === gaps.loose || char === '\n' || char === '\r' ? gaps.loose : gaps.blank;
      continue;
    }
    units.push(char.codePointAt(0) ?? 0);
    between.push(gap);
    gap = undefined;
  }
  const grouped = units.length >= shortestGrouped && /^[\w+/=.~-]+$/.test(text);
  const wrapped = units.length >= shortestWrapped ? gaps.wrap : gaps.none;
  const usual = grouped || between.includes(gaps.loose) ? gaps.loose : wrapped;
  const simple = /^[A-Za-z0-9]([!-~]*[A-Za-z0-9])?$/.test(text);
  return {
    kind: 'text',
    units: Uint32Array.from(units),
    gaps: Uint8Array.from(between, (kind) => kind ?? usual),
    firstMask: allBits,
    lastMask: allBits,
    padding: 0,
    punctuated: units.some(isPunctuation),
    plain: simple ? Buffer.from(text, 'latin1') : undefined,
  };
}

function isBlank(char: string): boolean {
  return char === ' ' || (char >= '\t' && char <= '\r');
}

/** Signs of ASCII that a backslash may stand before without a meaning of its own. */
export function isPunctuation(code: number): boolean {
  return code > 0x20 && code < 0x7f && !isLetterOrDigit(code);
}

/** Of ASCII. */
export function isLetterOrDigit(code: number): boolean {
  const letter = code | 0x20;
  return (code >= 0x30 && code <= 0x39) || (letter >= 0x61 && letter <= 0x7a && code < 0x7f);
}

/** Base64 of `bytes` that begin `offset` bytes (0 to 2) after a boundary of three. */
export function base64Spelling(bytes: Buffer, offset: number): Spelling {
  const text = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replace(/=+$/, '');
  const units = new Uint32Array(text.length - offset);
  for (let index = 0; index < units.length; index += 1)
    units[index] = base64Values[text.charCodeAt(offset + index)] ?? 0;
  const lastBits = (8 * (offset + bytes.length)) % 6;
  return {
    kind: 'base64',
    units,
    gaps: new Uint8Array(units.length).fill(gapOf(bytes.length)),
    firstMask: [0x3f, 0x0f, 0x03][offset] ?? allBits,
    lastMask: lastBits === 0 ? allBits : allBits & (allBits << (6 - lastBits)),
    padding: (3 - ((offset + bytes.length) % 3)) % 3,
    punctuated: true,
    plain: undefined,
  };
}

/** The hexadecimal digits of `bytes`. */
export function hexSpelling(bytes: Buffer): Spelling {
  const units = Uint32Array.from(Buffer.from(bytes.toString('hex'), 'latin1'));
  const usual = gapOf(bytes.length);
  const parted = bytes.length >= shortestDump ? gaps.bytes : usual;
  const between = new Uint8Array(units.length).fill(usual);
  for (let index = 0; index < units.length; index += 2) between[index] = parted;
  return {
    kind: 'hex',
    units,
    gaps: between,
    firstMask: allBits,
    lastMask: allBits,
    padding: 0,
    punctuated: false,
    plain: undefined,
  };
}

function gapOf(bytes: number): number {
  if (bytes >= shortestDump) return gaps.loose;
  return bytes >= shortestWrapped ? gaps.wrap : gaps.none;
}

/** Whether `code`, a code point of the text, is unit number `index`. */
export function accepts(spelling: Spelling, index: number, code: number): boolean {
  const unit = spelling.units[index] ?? 0;
  if (spelling.kind === 'text') return code === unit;
  if (spelling.kind === 'hex') return (code >= 0x41 && code <= 0x46 ? code + 0x20 : code) === unit;
  const value = base64Values[code] ?? 255;
  let known = index === 0 ? spelling.firstMask : allBits;
  if (index === spelling.units.length - 1) known &= spelling.lastMask;
  return value !== 255 && ((value ^ unit) & known) === 0;
}

/** The streams of symbols in which the search finds a spelling; hexadecimal digits come in two cases. */
export function symbolsOf(spelling: Spelling): SymbolStream[] {
  if (spelling.kind === 'text') return [streamOf(spelling, (code) => code)];
  if (spelling.kind === 'base64') return [streamOf(spelling, (value) => alphabet.charCodeAt(value))];
  return [streamOf(spelling, (digit) => digit), streamOf(spelling, (digit) => (digit > 0x60 ? digit - 0x20 : digit))];
}

/** Without units of which the text may show another character. */
function streamOf({ firstMask, lastMask, units }: Spelling, codeOf: (unit: number) => number): SymbolStream {
  const stream: SymbolStream = { bytes: [], units: [] };
  const first = firstMask === allBits ? 0 : 1;
  const end = lastMask === allBits ? units.length : units.length - 1;
  for (let index = first; index < end; index += 1) {
    const code = codeOf(units[index] ?? 0);
    const bytes = code < 0x80 ? [code] : Buffer.from(String.fromCodePoint(code), 'utf8');
    bytes.forEach((byte, position) => {
      if (!isSymbol(byte)) return;
      stream.bytes.push(byte);
      stream.units.push(position === bytes.length - 1 ? index : -1);
    });
  }
  return stream;
}
