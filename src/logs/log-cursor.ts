import { isUtf8 } from 'node:buffer';
import { fstatSync, readSync } from 'node:fs';
import type { ByteWriter } from '../lib/index.ts';
import { maskText, type Masker, type Span } from './masker.ts';
import { advance, RecordFrame, type RecordTime } from './record-time.ts';
import type { TimeMarks } from './time-marks.ts';

/** Bytes read from the log at a time. */
const windowBytes = 256 * 1024;
const lineFeed = 10;
const carriageReturn = 13;
const mask = Buffer.from(maskText);

export interface LogCursorOptions {
  /** Descriptor of the log, readable at any position. */
  fd: number;
  marks: TimeMarks;
  /** The masker of the moment; secrets may be added while the task runs. */
  masker: () => Masker;
  /** A longer line becomes several records, cut between characters; nothing is lost and nothing added. */
  maxLineBytes: number;
  /** Wall clock, milliseconds since the epoch. */
  now: () => number;
  /** Where reading starts: what the server has already. @default 0 */
  offset?: number;
  /** Time of the last record before that. @default none */
  time?: RecordTime;
  /** End of what was sent and may have arrived. @default 0 */
  sent?: number;
}

/** Records that were written for the wire, and the position that acknowledging them moves the cursor to. */
export interface LogBatch {
  count: number;
  /** First byte of the log after the last record. */
  end: number;
  endTime: RecordTime;
  /** True when complete records are left beyond this batch. */
  more: boolean;
}

/** A part of the log in memory. */
interface Window {
  bytes: Buffer;
  /** Secrets in it. */
  spans: Span[];
  valid: boolean;
}

/** One record's bytes in a window, and where the next one starts. */
interface Piece {
  start: number;
  end: number;
  after: number;
}

/**
 * Reads a growing log file as records. The file is the queue: nothing is kept in memory, and a batch that the server did
 * not accept is simply read again, with the same cuts and the same times, from where the last accepted one ended. Bytes go
 * from the file to the request without becoming strings.
 */
export class LogCursor {
  readonly #options: LogCursorOptions;
  readonly #frame = new RecordFrame();
  #buffer: Buffer | undefined;
  #offset: number;
  #time: RecordTime;
  /** End of what was read for sending: the server may have it although it did not say so. */
  #sent: number;

  constructor(options: LogCursorOptions) {
    this.#options = options;
    this.#offset = options.offset ?? 0;
    this.#time = options.time ?? { ms: 0, sub: 0 };
    this.#sent = options.sent ?? 0;
  }

  /** Bytes that the server has. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Writes complete lines as JSON objects `{"time","message"}` joined by commas (spec 3.6), up to about `maxBytes` (at
   * least one when there is one). With `final` the log has ended: what is left without a line end is a record too. Reads
   * on from the end of `after`, a batch that is on its way, instead of from what the server has. What was read before and
   * not accepted comes alone, so that a server that has it all the same can tell. Lines are cut at `maxLineBytes`, for a
   * server that takes only small requests.
   */
  read(
    writer: ByteWriter,
    maxBytes: number,
    final: boolean,
    after?: LogBatch,
    maxLineBytes = this.#options.maxLineBytes,
  ): LogBatch {
    const { fd, marks } = this.#options;
    const fileSize = fstatSync(fd).size;
    // Everything that is read has a mark from now on, so that reading it again gives the same times.
    marks.add(fileSize, this.#options.now());
    const masker = this.#options.masker();
    const limit = writer.length + maxBytes;
    const time: RecordTime = { ...(after?.endTime ?? this.#time) };
    let offset = after?.end ?? this.#offset;
    const bound = offset < this.#sent && this.#sent < fileSize ? this.#sent : fileSize;
    let mark = 0;
    let count = 0;

    while (offset < bound) {
      const window = this.#window(offset, fileSize, masker);
      const ended = final && offset + window.bytes.length >= fileSize;
      let position = 0;
      let span = 0;
      while (offset + position < bound) {
        const piece = nextPiece(window, position, ended, maxLineBytes);
        if (!piece) break;
        const before = writer.length;
        const { ms, sub } = time;
        mark = marks.indexFor(offset + piece.after, mark);
        advance(time, marks.timeAt(mark));
        this.#frame.begin(writer, time, count === 0);
        span = writeText(writer, window, piece, span);
        if (count > 0 && writer.length > limit) {
          writer.truncate(before);
          this.#frame.end(writer);
          return this.#noted({ count, end: offset + position, endTime: { ms, sub }, more: true });
        }
        count += 1;
        position = piece.after;
      }
      if (position === 0) break;
      offset += position;
    }
    if (count > 0) this.#frame.end(writer);
    return this.#noted({ count, end: offset, endTime: time, more: offset >= bound && bound < fileSize });
  }

  #noted(batch: LogBatch): LogBatch {
    this.#sent = Math.max(this.#sent, batch.end);
    this.#options.marks.pin(this.#sent);
    return batch;
  }

  /** The server has accepted `batch`. */
  commit(batch: LogBatch): void {
    this.#offset = batch.end;
    this.#time = batch.endTime;
    this.#options.marks.discardBefore(batch.end);
  }

  /** The log from `offset` on, as much as the buffer holds: at least one line of the greatest length and as much again. */
  #window(offset: number, fileSize: number, masker: Masker): Window {
    const wanted = Math.min(fileSize - offset, Math.max(windowBytes, this.#options.maxLineBytes * 2));
    if (!this.#buffer || this.#buffer.length < wanted) this.#buffer = Buffer.allocUnsafeSlow(wanted);
    let length = 0;
    while (length < wanted) {
      const count = readSync(this.#options.fd, this.#buffer, length, wanted - length, offset + length);
      if (count === 0) break;
      length += count;
    }
    const bytes = this.#buffer.subarray(0, length);
    return { bytes, spans: masker.find(bytes.toString('latin1')), valid: isUtf8(bytes) };
  }
}

/** The record that starts at `position`; undefined when its end, or enough of it for a cut, is not in the window. */
function nextPiece(
  { bytes, spans }: Window,
  position: number,
  ended: boolean,
  maxLineBytes: number,
): Piece | undefined {
  const found = bytes.indexOf(lineFeed, position);
  const end = found === -1 ? bytes.length : found;
  if (end - position > maxLineBytes) {
    // Without what follows the cut, a secret that reaches over it would go unseen.
    const enough = found !== -1 || ended || end - position >= maxLineBytes * 2;
    if (!enough) return undefined;
    const cut = safeCut(bytes, spans, position, position + maxLineBytes);
    return { start: position, end: cut, after: cut };
  }
  if (found !== -1) return { start: position, end: withoutReturn(bytes, position, end), after: end + 1 };
  return ended && position < end
    ? { start: position, end: withoutReturn(bytes, position, end), after: end }
    : undefined;
}

/** Writes the text of a piece with its secrets masked. Returns the first span that may concern the next piece. */
function writeText(writer: ByteWriter, window: Window, piece: Piece, firstSpan: number): number {
  const { spans } = window;
  let position = piece.start;
  let index = firstSpan;
  for (let span = spans[index]; span && span.start < piece.end; span = spans[index]) {
    if (span.start >= position) {
      writeBytes(writer, window, position, span.start);
      writer.raw(mask);
      position = span.end;
    }
    index += 1;
  }
  if (position < piece.end) writeBytes(writer, window, position, piece.end);
  return index;
}

function writeBytes(writer: ByteWriter, window: Window, start: number, end: number): void {
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

/** The last position up to `limit` that lies neither within a character nor within a secret. */
function safeCut(bytes: Buffer, spans: readonly Span[], start: number, limit: number): number {
  const torn = spans.find((span) => span.start < limit && span.end > limit);
  if (torn && torn.start > start) return torn.start;
  return torn ? torn.end : characterStart(bytes, limit);
}

/** The start of the character that `position` lies in; `position` itself where the bytes are not UTF-8. */
function characterStart(bytes: Buffer, position: number): number {
  for (let start = position; start > position - 4; start -= 1) {
    if (((bytes[start] ?? 0) & 0xc0) !== 0x80) return start;
  }
  return position;
}
