import { gaps } from './spelling.ts';

/** What a gap has held so far. */
export interface SeenInGap {
  blank: boolean;
  line: boolean;
}

/** Whether a gap of this kind may hold the character; notes what it has held. */
export function notes(code: number, kind: number, seen: SeenInGap): boolean {
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

/** In a shell, a backslash before a blank keeps it, and before the end of a line takes it away. */
export function mayBeEscaped(code: number, kind: number): boolean {
  if (kind === gaps.none) return false;
  return kind === gaps.blank ? isBlank(code) : code === 10 || code === 13;
}

/** Whether a gap may end after what it has held. */
export function mayEnd(kind: number, seen: SeenInGap): boolean {
  if (kind === gaps.wrap) return seen.line || !seen.blank;
  return kind !== gaps.blank || seen.blank;
}

function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 9 && code <= 13);
}
