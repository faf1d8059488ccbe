import { isUtf8 } from 'node:buffer';
import { readSync } from 'node:fs';
import type { ByteWriter } from '../lib/index.ts';
import { maskText, type Masker } from './masking/masker.ts';
import type { Span } from './masking/spans.ts';

const lineFeed = 10;
const carriageReturn = 13;
const mask = Buffer.from(maskText);

/** A part of the log in memory. Positions count from its first byte. */
export interface LogWindow {
  bytes: Buffer;
  /** Secrets in it; the first may begin before it. */
  spans: readonly Span[];
  /** Records must end here: what follows may belong to a secret of which more is to come. */
  usable: number;
  /** Where a secret begins that may go on behind the end of the log as it is now; the end of the window when none does. */
  open: number;
  /** Bytes after a cut that have to be known, so that the cut is the same whenever the log is read. */
  reach: number;
  valid: boolean;
}

/** One record's bytes in a window, and where the next one starts. */
export interface Piece {
  start: number;
  end: number;
  after: number;
}

/**
 * Reads windows of a log. Each is read with as much before and behind it as a secret can take, so that a secret is masked
 * in every line it reaches into, wherever windows and requests happen to end.
 */
export class WindowReader {
  readonly #fd: number;
  #buffer = Buffer.alloc(0);

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** About `bytes` of a log of `fileSize` bytes, from `offset` on. */
  read(offset: number, fileSize: number, bytes: number, masker: Masker): LogWindow {
    const { reach } = masker;
    const lead = Math.min(offset, reach);
    const wanted = Math.min(fileSize - offset, bytes + reach) + lead;
    if (this.#buffer.length < wanted) this.#buffer = Buffer.allocUnsafeSlow(wanted);
    let length = 0;
    while (length < wanted) {
      const count = readSync(this.#fd, this.#buffer, length, wanted - length, offset - lead + length);
      if (count === 0) break;
      length += count;
    }
    const all = this.#buffer.subarray(0, length);
    const own = all.subarray(lead);
    const atEnd = offset + own.length >= fileSize;
    const tail = Math.max(0, length - reach);
    return {
      bytes: own,
      spans: masker.find(all).map(({ start, end }) => ({ start: start - lead, end: end - lead })),
      usable: atEnd ? own.length : own.length - reach,
      open: atEnd && reach > 0 ? tail + masker.unfinished(all.subarray(tail)) - lead : own.length,
      reach,
      valid: isUtf8(own),
    };
  }
}

/** The record that starts at `position`; undefined when its end, or enough of it for a cut, is not in the window. */
export function nextPiece(
  window: LogWindow,
  position: number,
  ended: boolean,
  maxLineBytes: number,
): Piece | undefined {
  const piece = pieceAt(window, position, ended, maxLineBytes);
  return piece && piece.after <= window.usable ? piece : undefined;
}

function pieceAt(
  { bytes, reach, spans }: LogWindow,
  position: number,
  ended: boolean,
  maxLineBytes: number,
): Piece | undefined {
  const found = bytes.indexOf(lineFeed, position);
  const end = found === -1 ? bytes.length : found;
  if (end - position > maxLineBytes) {
    // Without what follows the cut, a secret that reaches over it would go unseen.
    const enough = found !== -1 || ended || end - position >= maxLineBytes + Math.max(maxLineBytes, reach);
    if (!enough) return undefined;
    const cut = safeCut(bytes, spans, position, position + maxLineBytes);
    return { start: position, end: cut, after: cut };
  }
  if (found !== -1) return { start: position, end: withoutReturn(bytes, position, end), after: end + 1 };
  return ended && position < end
    ? { start: position, end: withoutReturn(bytes, position, end), after: end }
    : undefined;
}

/**
 * Writes the text of a piece, with what belongs to a secret masked. `firstSpan` is the first span that may concern it;
 * returns the first that may concern the next piece.
 */
export function writeText(writer: ByteWriter, window: LogWindow, piece: Piece, firstSpan: number): number {
  const { spans } = window;
  let position = piece.start;
  let index = firstSpan;
  for (let span = spans[index]; span && span.start < piece.end; span = spans[index]) {
    const start = Math.max(span.start, position);
    const end = Math.min(span.end, piece.end);
    if (start < end) {
      writeBytes(writer, window, position, start);
      writer.raw(mask);
      position = end;
    }
    if (span.end > piece.end) break;
    index += 1;
  }
  if (position < piece.end) writeBytes(writer, window, position, piece.end);
  return index;
}

function writeBytes(writer: ByteWriter, window: LogWindow, start: number, end: number): void {
  const { bytes } = window;
  if (window.valid || isUtf8(bytes.subarray(start, end))) {
    writer.jsonText(bytes, start, end);
    return;
  }
  // Bytes that are not UTF-8 become U+FFFD, as JSON demands.
  const replaced = Buffer.from(bytes.toString('utf8', start, end), 'utf8');
  writer.jsonText(replaced, 0, replaced.length);
}

/** A `\r` before the line feed belongs to the line's end (spec 5.10). */
function withoutReturn(bytes: Buffer, start: number, end: number): number {
  return end > start && bytes[end - 1] === carriageReturn ? end - 1 : end;
}

/** The last position up to `limit` that lies neither within a character nor, if that can be had, within a secret. */
function safeCut(bytes: Buffer, spans: readonly Span[], start: number, limit: number): number {
  const torn = spans.find((span) => span.start < limit && span.end > limit);
  return torn && torn.start > start ? torn.start : characterStart(bytes, limit);
}

/** The start of the character that `position` lies in; `position` itself where the bytes are not UTF-8. */
function characterStart(bytes: Buffer, position: number): number {
  for (let start = position; start > position - 4; start -= 1) {
    if (((bytes[start] ?? 0) & 0xc0) !== 0x80) return start;
  }
  return position;
}
