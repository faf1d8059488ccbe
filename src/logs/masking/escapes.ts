import { decimal, hexNumber, octal } from './digits.ts';
import { codeOf, lengthOf, none, sequence, unseen } from './found.ts';
import { introduces, symbolTable } from './symbols.ts';
import { escape, terminalAt, terminalBefore } from './terminal.ts';

/**
 * Escape sequences as tools write them, one at a time: of URLs (`%2F`), of JSON, C, shells and Python (`\n`, `\x2f`,
 * `\u002f`, `\057`), of XML (`&amp;`, `&#47;`), and of terminals, which show nothing (`ESC [ 31 m`).
 */

const percent = 0x25;
const ampersand = 0x26;
const backslash = 0x5c;
/** The escape sequence at `at`, for `lengthOf` and `codeOf`; 0 when there is none that is complete before `end`. */
export function escapeAt(bytes: Uint8Array, at: number, end: number): number {
  switch (bytes[at]) {
    case percent:
      return encodedAt(bytes, at, end, 1);
    case backslash:
      return backslashAt(bytes, at, end);
    case ampersand:
      return entityAt(bytes, at, end);
    case escape:
      return terminalAt(bytes, at, at + 1, end);
    default:
      return none;
  }
}

/** Bytes in front of an end where a sequence of a fixed length may begin. */
const lengths = [2, 3, 4, 6, 8, 9, 10, 12, 16];

const longestEscape = 16;

/** Calls `visit` with every beginning and code of an escape sequence that ends right before `end`. */
export function escapesBefore(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (at: number, code: number) => void,
): void {
  const terminal = terminalBefore(bytes, start, end);
  if (terminal !== undefined) visitAt(bytes, terminal, end, visit);
  if (!isIntroduced(bytes, start, end)) return;
  const last = bytes[end - 1] ?? 0;
  if (last === 0x3b || last === 0x7d) {
    for (let at = Math.max(start, end - 13); at <= end - 4; at += 1) visitAt(bytes, at, end, visit);
    return;
  }
  for (const length of lengths) if (end - length >= start) visitAt(bytes, end - length, end, visit);
}

function visitAt(bytes: Uint8Array, at: number, end: number, visit: (at: number, code: number) => void): void {
  const found = escapeAt(bytes, at, end);
  if (found !== none && at + lengthOf(found) === end) visit(at, codeOf(found));
}

/** Whether one may begin not far before `end`. */
function isIntroduced(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = Math.max(start, end - longestEscape); at < end; at += 1) {
    if (((symbolTable[bytes[at] ?? 0] ?? 0) & introduces) !== 0) return true;
  }
  return false;
}

/** Control characters by their letter, and what is none; the digit is a zero byte. */
const controls = new Int8Array(256).fill(-1);
[7, 8, 9, 10, 11, 12, 13, 27, 0].forEach((code, index) => (controls['abtnvfre0'.charCodeAt(index)] = code));

function backslashAt(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return none;
  const kind = bytes[at + 1] ?? 0;
  const found = textEscapeAt(bytes, at, end, kind);
  if (found === none || codeOf(found) !== escape || bytes[at + lengthOf(found)] !== 0x5b) return found;
  const terminal = terminalAt(bytes, at, at + lengthOf(found), end);
  return terminal === none ? found : terminal;
}

function textEscapeAt(bytes: Uint8Array, at: number, end: number, kind: number): number {
  if (kind === backslash) return sequence(backslash, 2);
  if (kind === 0x78) return encodedAt(bytes, at, end, 2);
  if (kind === 0x75) return unicodeAt(bytes, at, end);
  if (kind === 0x55) {
    const code = hexNumber(bytes, at + 2, 8, end);
    return code >= 0 && code < unseen ? sequence(code, 10) : none;
  }
  if (octal(bytes, at, end) >= 0) return encodedAt(bytes, at, end, 0);
  const control = controls[kind] ?? -1;
  return control < 0 ? none : sequence(control, 2);
}

/** A character of UTF-8 whose bytes are escaped one by one: `%C3%A4`, `\xC3\xA4`, `\303\244`. */
function encodedAt(bytes: Uint8Array, at: number, end: number, prefix: 0 | 1 | 2): number {
  const size = prefix === 1 ? 3 : 4;
  const byteAt = (from: number): number => {
    if (prefix === 0) return octal(bytes, from, end);
    const introduced =
      bytes[from] === (prefix === 1 ? percent : backslash) && (prefix === 1 || bytes[from + 1] === 0x78);
    return introduced ? hexNumber(bytes, from + prefix, 2, end) : -1;
  };
  const first = byteAt(at);
  if (first < 0) return none;
  const more =
    first >= 0xf0 && first < 0xf8 ? 3 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xc2 && first < 0xe0 ? 1 : 0;
  let code = first & (0x7f >> (more === 0 ? 0 : more + 1));
  for (let index = 1; index <= more; index += 1) {
    const next = byteAt(at + index * size);
    // Not UTF-8: then it is the character of that number.
    if (next < 0x80 || next > 0xbf) return sequence(first, size);
    code = (code << 6) | (next & 0x3f);
  }
  if (more === 0) return sequence(first, size);
  return code < unseen ? sequence(code, size * (more + 1)) : sequence(first, size);
}

/** `\u002f`, a pair of surrogates, or `\u{2f}`. */
function unicodeAt(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at + 2] === 0x7b) {
    let last = at + 3;
    while (last < end && last < at + 10 && bytes[last] !== 0x7d) last += 1;
    const code = last < end && bytes[last] === 0x7d ? hexNumber(bytes, at + 3, last - at - 3, end) : -1;
    return code >= 0 && code < unseen ? sequence(code, last + 1 - at) : none;
  }
  const code = hexNumber(bytes, at + 2, 4, end);
  if (code < 0) return none;
  if (code < 0xd800 || code > 0xdbff || bytes[at + 6] !== backslash || bytes[at + 7] !== 0x75) return sequence(code, 6);
  const low = hexNumber(bytes, at + 8, 4, end);
  return low >= 0xdc00 && low <= 0xdfff
    ? sequence(0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00), 12)
    : sequence(code, 6);
}

const entities = new Map([
  ['amp', 0x26],
  ['lt', 0x3c],
  ['gt', 0x3e],
  ['quot', 0x22],
  ['apos', 0x27],
]);

function entityAt(bytes: Uint8Array, at: number, end: number): number {
  let last = at + 1;
  while (last < end && last < at + 12 && bytes[last] !== 0x3b) last += 1;
  if (last >= end || bytes[last] !== 0x3b || last < at + 3) return none;
  const length = last + 1 - at;
  if (bytes[at + 1] !== 0x23) {
    const code = entities.get(String.fromCharCode(...bytes.subarray(at + 1, last)));
    return code === undefined ? none : sequence(code, length);
  }
  const hex = bytes[at + 2] === 0x78 || bytes[at + 2] === 0x58;
  const code = hex ? hexNumber(bytes, at + 3, last - at - 3, end) : decimal(bytes, at + 2, last);
  return code >= 0 && code < unseen ? sequence(code, length) : none;
}
