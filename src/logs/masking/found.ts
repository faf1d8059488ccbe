/** Code of a sequence that shows nothing. */
export const unseen = 0x11_0000;

/** No sequence. */
export const none = 0;
const lengthBits = 10;
const lengthMask = 2 ** lengthBits - 1;

/** Length of what `escapeAt` has found. */
export function lengthOf(found: number): number {
  return found & lengthMask;
}

/** What it stands for: a code point, or `unseen`. */
export function codeOf(found: number): number {
  return found >> lengthBits;
}

/** Packs both into one number. */
export function sequence(code: number, length: number): number {
  return (code << lengthBits) | length;
}
