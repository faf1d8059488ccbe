import { none, sequence, unseen } from './found.ts';

/** Escape sequences of terminals: colours, movements, titles, links. They show nothing. */

/** Bound of a terminal's sequence with text in it (a title, a link), bytes. */
const longestTerminalText = 1000;
const longestColour = 64;

const backslash = 0x5c;
/** The byte that terminals' sequences begin with. */
export const escape = 0x1b;

/** Where a terminal's sequence that ends before `end` would begin. */
export function terminalBefore(bytes: Uint8Array, start: number, end: number): number | undefined {
  const last = bytes[end - 1] ?? 0;
  if (last === 7 || (last === backslash && bytes[end - 2] === escape)) {
    const first = last === 7 ? end - 2 : end - 3;
    for (let at = first; at >= Math.max(start, end - longestTerminalText); at -= 1) {
      if (bytes[at] === escape) return at;
      if ((bytes[at] ?? 0) < 0x20) return undefined;
    }
    return undefined;
  }
  if (last < 0x40 || last > 0x7e) return undefined;
  let at = end - 2;
  while (at >= start && end - at < longestColour && isParameter(bytes[at] ?? 0)) at -= 1;
  if (bytes[at] !== 0x5b) return undefined;
  // `ESC [`, or the escape character as a text: `\e[`, `\033[`, `\x1b[`, `\u001b[`.
  for (const length of [1, 2, 4, 6]) {
    const byte = bytes[at - length];
    if (length === 1 ? byte === escape : byte === backslash) return at - length;
  }
  return undefined;
}

function isParameter(byte: number): boolean {
  return byte >= 0x20 && byte <= 0x3f;
}

/**
 * Length of the sequence at `at`, an escape character, that sets colours or clears a line; 0 for others. Those two are the
 * ones that logs are full of, and no secret begins within them.
 */
export function colourLength(bytes: Uint8Array, at: number): number {
  if (bytes[at + 1] !== 0x5b) return 0;
  let last = at + 2;
  while (last - at < longestColour && isNumberPart(bytes[last] ?? 0)) last += 1;
  const byte = bytes[last];
  return byte === 0x6d || byte === 0x4b ? last + 1 - at : 0;
}

function isNumberPart(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x3b;
}

/** From `after`, the byte behind the escape character, on. */
export function terminalAt(bytes: Uint8Array, at: number, after: number, end: number): number {
  const kind = bytes[after] ?? 0;
  if (after >= end) return none;
  if (kind === 0x5b) {
    let last = after + 1;
    while (last < end && last - at < longestColour && isParameter(bytes[last] ?? 0)) last += 1;
    const byte = bytes[last] ?? 0;
    return last < end && byte >= 0x40 && byte <= 0x7e ? sequence(unseen, last + 1 - at) : none;
  }
  if (kind === 0x5d) {
    for (let last = after + 1; last < end && last - at < longestTerminalText; last += 1) {
      const byte = bytes[last] ?? 0;
      if (byte === 7) return sequence(unseen, last + 1 - at);
      if (byte === escape) {
        return last + 1 < end && bytes[last + 1] === backslash ? sequence(unseen, last + 2 - at) : none;
      }
      if (byte < 0x20) return none;
    }
    return none;
  }
  // Choice of a character set: `ESC ( B`.
  if ((kind === 0x28 || kind === 0x29) && after + 1 < end) return sequence(unseen, after + 2 - at);
  return none;
}
