import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/**
 * The log of one task: a file of lines `<time> <text>`, only ever appended to.
 *
 * Runners send records again when the answer to a progress request was lost (spec 8.2): the next request then begins with
 * what the lost one held. So the place where each batch began is a **mark**, an empty line in the file (no record is an
 * empty line). A batch whose first record stands at a mark is compared with what follows there; what is equal is already
 * stored and only the rest is appended. Nothing is kept in memory but the first record after each mark, so this costs
 * nothing while all goes well, and the marks in the file carry it across a restart.
 */
export class LogFile {
  readonly #handle: FileHandle;
  #size: number;
  /** Places where a batch may be repeated from; the oldest is the mark itself. */
  #starts: readonly BatchStart[];
  /** After a restart it is not known where the parts of a divided batch began: the next one is searched for, once. */
  #unsure = true;

  private constructor(handle: FileHandle, size: number, starts: readonly BatchStart[]) {
    this.#handle = handle;
    this.#size = size;
    this.#starts = starts;
  }

  /** Opens or creates the file. Half a line at its end, left by a crash, is cut off: its batch will be sent again. */
  static async open(path: string): Promise<LogFile> {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      const { size } = await handle.stat();
      const end = (await findBackwards(handle, size, newline)) + newline.length;
      if (end < size) await handle.truncate(end);
      const file = new LogFile(handle, end, []);
      const mark = end === 0 ? undefined : await file.#lastMark();
      if (mark !== undefined && mark < end) file.#starts = [await file.#startAt(mark)];
      return file;
    } catch (error: unknown) {
      await handle.close();
      throw error;
    }
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Appends a batch of complete lines, without the part of it that is stored already. Returns the number of bytes of
   * `lines` that were left out for that reason. Throws the system's error (disk full, …); nothing is appended then.
   */
  async append(lines: Buffer, options: { repeatable: boolean }): Promise<number> {
    if (lines.length === 0) return 0;
    const stored = options.repeatable ? await this.#storedPart(lines) : undefined;
    this.#unsure &&= !options.repeatable;
    if (stored === undefined) {
      const start = this.#size + mark.length;
      await this.#write(mark, lines);
      this.#starts = options.repeatable ? [{ offset: start, head: headOf(lines) }] : [];
      return 0;
    }
    if (stored < lines.length) await this.#write(lines.subarray(stored));
    return stored;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** How much of the batch stands in the file already, undefined when it is a new batch. */
  async #storedPart(lines: Buffer): Promise<number | undefined> {
    for (const start of [...this.#starts, ...(this.#unsure ? await this.#search(lines) : [])]) {
      if (lines.subarray(0, start.head.length).compare(start.head) !== 0) continue;
      const common = Math.min(this.#size - start.offset, lines.length);
      if (!(await this.#isAt(start.offset, lines.subarray(0, common)))) continue;
      await this.#remember(start.offset);
      // A runner that was told to send less repeats the batch in parts: the next one may begin here.
      await this.#remember(start.offset + common);
      return common;
    }
    return undefined;
  }

  async #remember(offset: number): Promise<void> {
    if (offset >= this.#size || this.#starts.some((start) => start.offset === offset)) return;
    this.#starts = [...this.#starts, await this.#startAt(offset)].slice(-maxStarts);
  }

  /** Places behind the last mark where the first record of the batch stands. */
  async #search(lines: Buffer): Promise<BatchStart[]> {
    const [first] = this.#starts;
    if (!first) return [];
    const head = headOf(lines);
    const wanted = Buffer.concat([newline, head]);
    const piece = Buffer.allocUnsafe(pieceBytes + wanted.length);
    const found: BatchStart[] = [];
    for (let position = first.offset - 1; position < this.#size; position += pieceBytes) {
      const { bytesRead } = await this.#handle.read(piece, 0, piece.length, position);
      const view = piece.subarray(0, bytesRead);
      for (let at = view.indexOf(wanted); at >= 0 && at < pieceBytes; at = view.indexOf(wanted, at + 1)) {
        found.push({ offset: position + at + 1, head });
        if (found.length === maxStarts) return found;
      }
    }
    return found;
  }

  async #isAt(offset: number, expected: Buffer): Promise<boolean> {
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, expected.length));
    for (let done = 0; done < expected.length;) {
      const { bytesRead } = await this.#handle.read(
        piece,
        0,
        Math.min(piece.length, expected.length - done),
        offset + done,
      );
      if (bytesRead === 0) return false;
      if (piece.subarray(0, bytesRead).compare(expected.subarray(done, done + bytesRead)) !== 0) return false;
      done += bytesRead;
    }
    return true;
  }

  async #startAt(offset: number): Promise<BatchStart> {
    const piece = Buffer.allocUnsafe(Math.min(headBytes, this.#size - offset));
    const { bytesRead } = await this.#handle.read(piece, 0, piece.length, offset);
    return { offset, head: headOf(piece.subarray(0, bytesRead)) };
  }

  /** Offset of the first record after the last mark. */
  async #lastMark(): Promise<number> {
    const at = await findBackwards(this.#handle, this.#size, Buffer.from('\n\n'));
    return at < 0 ? mark.length : at + 2;
  }

  async #write(...parts: Buffer[]): Promise<void> {
    const total = parts.reduce((sum, part) => sum + part.length, 0);
    try {
      let position = this.#size;
      for (const part of parts) {
        for (let done = 0; done < part.length;) {
          const { bytesWritten } = await this.#handle.write(part, done, part.length - done, position);
          done += bytesWritten;
          position += bytesWritten;
        }
      }
    } catch (error: unknown) {
      await this.#handle.truncate(this.#size);
      throw error;
    }
    this.#size += total;
  }
}

interface BatchStart {
  offset: number;
  /** The beginning of the first record there, enough to tell most others from it. */
  head: Buffer;
}

const mark = Buffer.from('\n');
const newline = Buffer.from('\n');
const pieceBytes = 64 * 1024;
/** Time and the beginning of the text. */
const headBytes = 256;
/** A batch is halved a few times at most. */
const maxStarts = 32;

function headOf(lines: Buffer): Buffer {
  const end = lines.indexOf(10);
  return Buffer.from(lines.subarray(0, Math.min(headBytes, end < 0 ? lines.length : end + 1)));
}

/** Offset of the last occurrence before `size`, or minus the length of `wanted` when there is none. */
async function findBackwards(handle: FileHandle, size: number, wanted: Buffer): Promise<number> {
  const piece = Buffer.allocUnsafe(pieceBytes + wanted.length);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - pieceBytes);
    // A little more than the piece, so that an occurrence on its border is seen.
    const length = Math.min(size - start, end - start + wanted.length - 1);
    const { bytesRead } = await handle.read(piece, 0, length, start);
    const at = piece.subarray(0, bytesRead).lastIndexOf(wanted);
    if (at >= 0) return start + at;
    end = start;
  }
  return -wanted.length;
}
