/**
 * The alphabet of the search. A log is looked at as a stream of symbols: white space, quotes, backslashes and other
 * characters that tools put in, leave out or exchange between and around the characters of a text are no symbols, so that
 * a secret gives the same stream however it was wrapped, quoted or grouped. The stream only says where to look closely.
 */

/** Symbols that are looked at together. */
export const gramLength = 4;

/** Bit of an entry of `symbolTable`: an escape sequence may begin with this byte. */
export const introduces = 0x80;

/** Bits that an entry moves the window by: 8 for a symbol, 0 for every other byte. `window << entry` takes the low five bits. */
export const shiftBits = 0x1f;

/**
 * By byte: bits to move the window by, `introduces`, and from bit 8 on the symbol. One rule without a branch:
 * `window = (window << entry) | (entry >>> 8)`. The 32 bits of a window hold the last four symbols.
 */
export const symbolTable = new Int32Array(256);

const noSymbols = '\u007F\'"\\+$:,-%';
const introducers = '\u001B%\\&';

for (let byte = 0; byte < 256; byte += 1) {
  const char = String.fromCharCode(byte);
  const symbol = byte > 0x20 && !noSymbols.includes(char);
  // `_` is the `/` of base64url, as `-` is its `+`.
  const value = char === '_' ? 0x2f : byte;
  symbolTable[byte] = (symbol ? 8 | (value << 8) : 0) | (introducers.includes(char) ? introduces : 0);
}

/** Whether a byte, or a code point, is part of the stream. */
export function isSymbol(code: number): boolean {
  return code > 0x7f ? code < 0x11_0000 : ((symbolTable[code] ?? 0) & shiftBits) !== 0;
}

/** The window after one more byte. */
export function advanceWindow(window: number, byte: number): number {
  const entry = symbolTable[byte] ?? 0;
  return (window << entry) | (entry >>> 8);
}

/** Spreads windows over the entries of a filter: the upper bits of the product are the place. */
export const spread = 0x9e37_79b1;
