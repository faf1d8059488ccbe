import { fstatSync, readSync } from 'node:fs';
import type { Masker } from './masker.ts';
import { advance, RecordTimeFormat, type RecordTime } from './record-time.ts';
import type { TimeMarks } from './time-marks.ts';

/** Bytes read from the log at a time. */
const windowBytes = 256 * 1024;
const lineFeed = 10;
const carriageReturn = 13;

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
}

/** Records read from the log, ready for the wire, and the position that acknowledging them moves the cursor to. */
export interface LogBatch {
  /** JSON objects `{"time","message"}` joined by commas (spec 3.6). */
  records: string;
  count: number;
  /** First byte after the last record. */
  end: number;
  endTime: RecordTime;
  /** True when complete records are left beyond this batch. */
  more: boolean;
}

interface Line {
  text: string;
  /** Position in the window of the first byte after the line and its end. */
  after: number;
}

/**
 * Reads a growing log file as records. The file is the queue: nothing is kept in memory, and a batch that the server did
 * not accept is simply read again, with the same cuts and the same times, from where the last accepted one ended.
 */
export class LogCursor {
  readonly #options: LogCursorOptions;
  readonly #format = new RecordTimeFormat();
  #buffer: Buffer | undefined;
  #offset: number;
  #time: RecordTime = { ms: 0, sub: 0 };

  constructor(options: LogCursorOptions) {
    this.#options = options;
    this.#offset = options.offset ?? 0;
  }

  /** Bytes that the server has. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Reads complete lines up to about `maxBytes` of JSON (at least one record when there is one). With `final` the log
   * has ended: what is left without a line end is a record too.
   */
  read(maxBytes: number, final: boolean): LogBatch {
    const { fd, marks } = this.#options;
    const fileSize = fstatSync(fd).size;
    // Everything that is read has a mark from now on, so that reading it again gives the same times.
    marks.add(fileSize, this.#options.now());
    const masker = this.#options.masker();
    const time: RecordTime = { ...this.#time };
    const parts: string[] = [];
    let offset = this.#offset;
    let mark = 0;
    let bytes = 0;

    while (offset < fileSize) {
      const window = this.#window(offset, fileSize);
      const ended = final && offset + window.length >= fileSize;
      let position = 0;
      for (;;) {
        const line = this.#nextLine(window, position, ended, masker);
        if (!line) break;
        mark = marks.indexFor(offset + line.after, mark);
        const { ms, sub } = time;
        advance(time, marks.timeAt(mark));
        const record = `{"time":"${this.#format.format(time)}","message":${JSON.stringify(masker.mask(line.text))}}`;
        if (parts.length > 0 && bytes + record.length > maxBytes) {
          return batch(parts, offset + position, { ms, sub }, true);
        }
        parts.push(record);
        bytes += record.length + 1;
        position = line.after;
      }
      if (position === 0) break;
      offset += position;
    }
    return batch(parts, offset, time, false);
  }

  /** The server has accepted `batch`. */
  commit(accepted: LogBatch): void {
    this.#offset = accepted.end;
    this.#time = accepted.endTime;
    this.#options.marks.discardBefore(accepted.end);
  }

  /** The log from `offset` on, as much as the buffer holds: at least one line of the greatest length and as much again. */
  #window(offset: number, fileSize: number): Buffer {
    const wanted = Math.min(fileSize - offset, Math.max(windowBytes, this.#options.maxLineBytes * 2));
    if (!this.#buffer || this.#buffer.length < wanted) this.#buffer = Buffer.allocUnsafeSlow(wanted);
    let length = 0;
    while (length < wanted) {
      const count = readSync(this.#options.fd, this.#buffer, length, wanted - length, offset + length);
      if (count === 0) break;
      length += count;
    }
    return this.#buffer.subarray(0, length);
  }

  /** The line that starts at `position`; undefined when its end, or enough of it for a cut, is not in the window. */
  #nextLine(window: Buffer, position: number, ended: boolean, masker: Masker): Line | undefined {
    const { maxLineBytes } = this.#options;
    const found = window.indexOf(lineFeed, position);
    const end = found === -1 ? window.length : found;
    if (end - position > maxLineBytes) {
      const ahead = Math.min(end, position + maxLineBytes * 2);
      // Without what follows the cut, a secret that reaches over it would go unseen.
      const enough = found !== -1 || ended || ahead === position + maxLineBytes * 2;
      return enough ? cut(window, position, position + maxLineBytes, ahead, masker) : undefined;
    }
    if (found !== -1) return { text: textOf(window, position, end), after: end + 1 };
    return ended && position < end ? { text: textOf(window, position, end), after: end } : undefined;
  }
}

function batch(parts: string[], end: number, endTime: RecordTime, more: boolean): LogBatch {
  return { records: parts.join(','), count: parts.length, end, endTime, more };
}

/** The line without its end; a `\r` before the line feed belongs to the end (spec 5.10). */
function textOf(window: Buffer, start: number, end: number): string {
  return window.toString('utf8', start, end > start && window[end - 1] === carriageReturn ? end - 1 : end);
}

/** The part of a long line up to `limit`, ending neither within a character nor within a secret. */
function cut(window: Buffer, start: number, limit: number, ahead: number, masker: Masker): Line {
  const after = characterStart(window, limit);
  const text = window.toString('utf8', start, after);
  const safe = masker.safeCut(text + window.toString('utf8', after, ahead), text.length);
  if (safe <= 0 || safe >= text.length) return { text, after };
  const head = text.slice(0, safe);
  return { text: head, after: start + Buffer.byteLength(head, 'utf8') };
}

/** The start of the character that `position` lies in; `position` itself where the bytes are not UTF-8. */
function characterStart(window: Buffer, position: number): number {
  for (let start = position; start > position - 4; start -= 1) {
    if (((window[start] ?? 0) & 0xc0) !== 0x80) return start;
  }
  return position;
}
