import { unseen } from './found.ts';

/** Bytes of the character that begins with `byte`. */
export function charLength(byte: number): number {
  if (byte < 0xc2 || byte > 0xf4) return 1;
  return byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/** The code point in `length` bytes at `at`; what is not UTF-8 gives numbers that are no code points. */
export function charAt(bytes: Uint8Array, at: number, length: number): number {
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

/** Where the character that ends right before `end` begins. */
export function charBefore(bytes: Uint8Array, end: number): number {
  for (let at = end - 1; at >= Math.max(0, end - 4); at -= 1) {
    const byte = bytes[at] ?? 0;
    if ((byte & 0xc0) !== 0x80) return at + charLength(byte) === end ? at : end - 1;
  }
  return end - 1;
}
