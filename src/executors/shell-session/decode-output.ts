import { isAscii, isUtf8 } from 'node:buffer';

const carriageReturn = 13;

/**
 * How many bytes at the end of `bytes` must wait for what follows them: the beginning of a UTF-8 character, or a CR that may be
 * the first half of a line end.
 */
export function unfinishedBytes(bytes: Buffer): number {
  const { length } = bytes;
  if (bytes[length - 1] === carriageReturn) return 1;
  for (let count = 1; count <= Math.min(3, length); count += 1) {
    const byte = bytes[length - count] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return beginsCharacter(bytes.subarray(length - count)) ? count : 0;
  }
  return 0;
}

/**
 * Text of output: UTF-8, with U+FFFD for every byte that is not part of a character, as Go has it (the standard decoder of JavaScript
 * gives one for several), and CR LF as LF. A lone CR stays.
 */
export function decodeOutput(bytes: Buffer): string {
  const text = isAscii(bytes)
    ? bytes.toString('latin1')
    : isUtf8(bytes)
      ? bytes.toString('utf8')
      : decodeInvalid(bytes);
  return text.replaceAll('\r\n', '\n');
}

function decodeInvalid(bytes: Buffer): string {
  let text = '';
  let good = 0;
  let at = 0;
  while (at < bytes.length) {
    const length = characterLength(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    text += `${bytes.toString('utf8', good, at)}\uFFFD`;
    at += 1;
    good = at;
  }
  return text + bytes.toString('utf8', good);
}

/** Length of the character at `at`, 0 when there is none. */
function characterLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const length = lengthFor(first);
  if (length === 0 || at + length > bytes.length) return 0;
  return beginsCharacter(bytes.subarray(at, at + length)) ? length : 0;
}

/** Whether the bytes, no more than one character has, are right so far. */
function beginsCharacter(bytes: Buffer): boolean {
  const first = bytes[0] ?? 0;
  if (bytes.length > lengthFor(first)) return false;
  for (let index = 1; index < bytes.length; index += 1) {
    const [least, most] = index === 1 ? secondByte(first) : [0x80, 0xbf];
    const byte = bytes[index] ?? 0;
    if (byte < least || byte > most) return false;
  }
  return true;
}

function lengthFor(first: number): number {
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  if (first >= 0xf0 && first <= 0xf4) return 4;
  return 0;
}

/** What may follow the first byte: no overlong forms, no surrogates, nothing above U+10FFFF. */
function secondByte(first: number): [least: number, most: number] {
  if (first === 0xe0) return [0xa0, 0xbf];
  if (first === 0xed) return [0x80, 0x9f];
  if (first === 0xf0) return [0x90, 0xbf];
  if (first === 0xf4) return [0x80, 0x8f];
  return [0x80, 0xbf];
}
