import { fstatSync } from 'node:fs';
import type { ByteWriter } from '../lib/index.ts';
import { nextPiece, WindowReader, writeText, type LogWindow } from './log-window.ts';
import type { Masker } from './masking/masker.ts';
import { advance, RecordFrame, type RecordTime } from './record-time.ts';
import type { TimeMarks } from './time-marks.ts';

/** Bytes read from the log at a time. */
const defaultWindowBytes = 256 * 1024;

/**
 * How long complete lines are held back at most because they may be the beginning of a secret that is wrapped into several
 * lines and not written yet, milliseconds. A tool that wraps a text writes all of it at once.
 */
const holdMs = 200;

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
  /** Called when lines are held back: there is something to read in `ms` milliseconds, whether or not the log grows. */
  later?: (ms: number) => void;
  /** @default 262144 */
  windowBytes?: number;
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

/**
 * Reads a growing log file as records. The file is the queue: nothing is kept in memory, and a batch that the server did
 * not accept is simply read again, with the same cuts and the same times, from where the last accepted one ended. Bytes go
 * from the file to the request without becoming strings.
 *
 * Complete lines are read as soon as they are there, with one exception: as long as the log ends with what may be the
 * beginning of a wrapped secret (four characters of it or more), the lines from there on wait for the rest, `holdMs` at
 * most.
 */
export class LogCursor {
  readonly #options: LogCursorOptions;
  readonly #frame = new RecordFrame();
  readonly #windows: WindowReader;
  #offset: number;
  #time: RecordTime;
  /** End of what was read for sending: the server may have it although it did not say so. */
  #sent: number;
  /** What may be the beginning of a secret at the end of the log, and when it was seen first. */
  #open: { offset: number; since: number } | undefined;

  constructor(options: LogCursorOptions) {
    this.#options = options;
    this.#windows = new WindowReader(options.fd);
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
      const held = final || offset < this.#sent ? fileSize : this.#heldFrom(window, offset);
      const ended = final && offset + window.bytes.length >= fileSize;
      let position = 0;
      let span = 0;
      while (offset + position < bound) {
        const piece = nextPiece(window, position, ended, maxLineBytes);
        if (!piece || offset + piece.after > held) break;
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

  /** The log from `offset` on: at least one line of the greatest length and as much again. */
  #window(offset: number, fileSize: number, masker: Masker): LogWindow {
    const { maxLineBytes, windowBytes = defaultWindowBytes } = this.#options;
    const longest = maxLineBytes + Math.max(maxLineBytes, masker.reach);
    return this.#windows.read(offset, fileSize, Math.max(windowBytes, longest + 2), masker);
  }

  /** The place from which on the log is held back. */
  #heldFrom(window: LogWindow, offset: number): number {
    const end = offset + window.bytes.length;
    const open = offset + window.open;
    if (open >= end) return end;
    const now = this.#options.now();
    if (this.#open?.offset !== open) {
      this.#open = { offset: open, since: now };
      this.#options.later?.(holdMs);
    }
    const waited = now - this.#open.since;
    return waited >= 0 && waited < holdMs ? open : end;
  }
}
