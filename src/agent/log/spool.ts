import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { ByteWriter, type Clock, InternalError, messageOf } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { isOutputLine, noticeLine } from './notice-line.ts';
import { storageHint } from './storage-hint.ts';
import { type BatchLimits, type Cursor, start, wholeLines } from './whole-lines.ts';

export interface SpoolOptions {
  path: string;
  clock: Pick<Clock, 'now'>;
  logger: Logger;
}

/** Every so many lines the offset is remembered: 1 million lines cost 1000 numbers. */
const indexStep = 1024;
/** What waits to be written is written at once when it is so much. */
const flushBytes = 256 * 1024;
/** While the disk takes nothing: so much output is kept in memory, and so much of all events. What is beyond is lost. */
const heldOutputBytes = 1024 * 1024;
const heldBytes = 8 * 1024 * 1024;
const retryMs = 1000;
const scanBytes = 64 * 1024;

/**
 * The lines of one job's log in a private file (spec CI 7.2), one writer. Lines are gathered for as long as the writer goes on without a
 * pause and are written when it makes one; a reader sees all of them at any time, because what is not in the file yet is read from memory.
 * So a disk that is full loses nothing at first. If that lasts, output is dropped, the events that give a log its
 * shape are not; the log itself says what is missing, at its place. The job never learns of it.
 */
export class Spool {
  readonly path: string;
  readonly #options: SpoolOptions;
  readonly #fd: number;
  /** Offset of every `indexStep`-th line. */
  readonly #index: number[] = [0];
  #lines = 0;
  readonly #pending = new ByteWriter(flushBytes);
  /** Offset of the first byte of `#pending`. */
  #pendingFrom = 0;
  /** So many bytes are in the file; when a write was cut short this is inside `#pending`. */
  #written = 0;
  #isFlushScheduled = false;
  #isClosed = false;
  /** The disk takes nothing at the moment. */
  #isRefused = false;
  #lost = { lines: 0, bytes: 0 };
  #hasLost = false;

  private constructor(fd: number, options: SpoolOptions) {
    this.#fd = fd;
    this.#options = options;
    this.path = options.path;
  }

  /** A new file, mode 0600. Throws the system error. */
  static create(options: SpoolOptions): Spool {
    return new Spool(openSync(options.path, 'ax+', 0o600), options);
  }

  /** The file that a process left behind; half a line at its end is cut off. Throws the system error. */
  static recover(options: SpoolOptions): Spool {
    const spool = new Spool(openSync(options.path, 'a+', 0o600), options);
    spool.#recover();
    return spool;
  }

  get end(): Cursor {
    return { line: this.#lines, offset: this.#pendingFrom + this.#pending.length };
  }

  /** Lines are missing because the disk was full for too long. */
  get hasLost(): boolean {
    return this.#hasLost || this.#lost.lines > 0;
  }

  /** Adds one line, given without its end. Never throws. */
  append(line: string): void {
    if (this.#isClosed) return;
    if (this.#isRefused && this.#mustDrop(line)) {
      this.#lost.lines += 1;
      this.#lost.bytes += Buffer.byteLength(line) + 1;
      return;
    }
    this.#noteLoss();
    this.#store(line);
    if (this.#isRefused) return;
    if (this.#pending.length >= flushBytes) this.flush();
    else if (!this.#isFlushScheduled) {
      this.#isFlushScheduled = true;
      setImmediate(() => {
        this.#isFlushScheduled = false;
        if (!this.#isClosed) this.flush();
      });
    }
  }

  /** Writes what is in memory to the file, as far as the disk takes it. */
  flush(): void {
    const bytes = this.#pending.bytes();
    try {
      for (let done = this.#written - this.#pendingFrom; done < bytes.length;) {
        const count = writeSync(this.#fd, bytes, done, bytes.length - done);
        done += count;
        this.#written += count;
      }
    } catch (error: unknown) {
      this.#onRefused(error);
      return;
    }
    this.#pending.truncate(0);
    this.#pendingFrom = this.#written;
    if (!this.#isRefused) return;
    this.#isRefused = false;
    this.#options.logger.info('The job log can be written to the disk again', { file: this.path });
  }

  /** Whole lines from `cursor` on: as many as the limits allow, at least one if there is one. */
  batch(cursor: Cursor, limits: BatchLimits): { body: Buffer; next: Cursor } {
    if (this.#isClosed) throw new InternalError(`${this.path} is closed`);
    return this.#batch(this.#fd, cursor, limits);
  }

  /**
   * All bytes from line `line` (from 0) to the present end, in pieces of any length. The file is opened anew: what has begun goes on to its
   * end when the spool is closed and removed meanwhile, and what begins later throws the system error.
   */
  *read(line = 0): Generator<Buffer> {
    const fd = openSync(this.path, 'r');
    try {
      const end = this.end.offset;
      for (let { offset } = this.#locate(fd, line); offset < end;) {
        const piece = this.#read(fd, offset, Math.min(scanBytes, end - offset));
        offset += piece.length;
        yield piece;
      }
    } finally {
      closeSync(fd);
    }
  }

  /** The place before a line, or the end when there are not so many. */
  #locate(fd: number, line: number): Cursor {
    if (line >= this.#lines) return this.end;
    const step = Math.floor(line / indexStep);
    const from = { line: step * indexStep, offset: this.#index[step] ?? 0 };
    if (line === from.line) return from;
    return this.#batch(fd, from, { maxLines: line - from.line, maxBytes: Number.POSITIVE_INFINITY }).next;
  }

  #batch(fd: number, cursor: Cursor, limits: BatchLimits): { body: Buffer; next: Cursor } {
    return wholeLines(cursor, {
      ...limits,
      end: this.end.offset,
      read: (offset, size) => this.#read(fd, offset, size),
    });
  }

  /** The lines from `from` to the present end, in buffers of whole lines. */
  *batches(from: Cursor = start, maxBytes = flushBytes): Generator<Buffer> {
    const { line: end } = this.end;
    for (let cursor = from; cursor.line < end;) {
      const { body, next } = this.batch(cursor, { maxLines: end - cursor.line, maxBytes });
      yield body;
      cursor = next;
    }
  }

  /** Writes what can be written and closes the file. Nothing can be read any more. */
  close(): void {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    closeSync(this.#fd);
  }

  #store(line: string): void {
    this.#pending.text(line);
    this.#pending.text('\n');
    this.#countLine(this.#pendingFrom + this.#pending.length);
  }

  /** A line ends at `offset`. */
  #countLine(offset: number): void {
    this.#lines += 1;
    if (this.#lines % indexStep === 0) this.#index.push(offset);
  }

  #mustDrop(line: string): boolean {
    return this.#pending.length > (isOutputLine(line) ? heldOutputBytes : heldBytes);
  }

  #noteLoss(): void {
    const { lines, bytes } = this.#lost;
    if (lines === 0) return;
    this.#lost = { lines: 0, bytes: 0 };
    this.#hasLost = true;
    const text = `[${lines} events of this log (${bytes} bytes) are missing here: the agent's disk was full]`;
    this.#store(noticeLine(text, this.#options.clock.now()));
  }

  #onRefused(error: unknown): void {
    setTimeout(() => {
      if (!this.#isClosed) this.flush();
    }, retryMs).unref();
    if (this.#isRefused) return;
    this.#isRefused = true;
    const { logger } = this.#options;
    logger.error('The job log cannot be written to the disk; the job goes on', {
      file: this.path,
      error: messageOf(error),
      what_now: `${storageHint(error)} Up to ${heldOutputBytes / 1024 / 1024} MB of output is kept in memory, more of it is lost.`,
    });
  }

  /** `size` bytes at `offset`, all of which are there. */
  #read(fd: number, offset: number, size: number): Buffer {
    const buffer = Buffer.allocUnsafe(size);
    const inFile = Math.max(0, Math.min(size, this.#pendingFrom - offset));
    for (let done = 0; done < inFile;) {
      const count = readSync(fd, buffer, done, inFile - done, offset + done);
      if (count === 0) throw new InternalError(`${this.path} is shorter than what was written to it`);
      done += count;
    }
    if (inFile === size) return buffer;
    const from = offset + inFile - this.#pendingFrom;
    this.#pending.bytes().copy(buffer, inFile, from, from + size - inFile);
    return buffer;
  }

  #recover(): void {
    const buffer = Buffer.allocUnsafe(flushBytes);
    let offset = 0;
    let whole = 0;
    for (let count = -1; count !== 0; offset += count) {
      count = readSync(this.#fd, buffer, 0, buffer.length, offset);
      const chunk = buffer.subarray(0, count);
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) {
        whole = offset + at + 1;
        this.#countLine(whole);
      }
    }
    if (whole < offset) ftruncateSync(this.#fd, whole);
    this.#pendingFrom = whole;
    this.#written = whole;
  }
}
