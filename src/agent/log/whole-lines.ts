/** A place between two lines: `line` lines, and `offset` bytes, are before it. */
export interface Cursor {
  line: number;
  offset: number;
}

export const start: Cursor = { line: 0, offset: 0 };

export interface BatchLimits {
  maxLines: number;
  /** A single line may be longer. */
  maxBytes: number;
}

export interface LineSource extends BatchLimits {
  /** Bytes of the whole; a line ends there. */
  end: number;
  read: (offset: number, size: number) => Buffer;
}

const leastRead = 64 * 1024;
const mostRead = 1024 * 1024;

/** Whole lines from `cursor` on: as many as the limits allow, at least one if there is one. */
export function wholeLines(
  cursor: Cursor,
  { maxLines, maxBytes, end, read }: LineSource,
): { body: Buffer; next: Cursor } {
  const chunks: Buffer[] = [];
  /** Of the chunks. */
  let bytes = 0;
  /** Of them, what is in lines that are taken. */
  let taken = 0;
  let lines = 0;
  let isFull = false;
  while (!isFull && cursor.offset + bytes < end) {
    const wanted = Math.min(Math.max(maxBytes - bytes, leastRead), mostRead);
    const chunk = read(cursor.offset + bytes, Math.min(wanted, end - cursor.offset - bytes));
    for (let at = chunk.indexOf(10); at !== -1 && !isFull; at = chunk.indexOf(10, at + 1)) {
      if (lines > 0 && bytes + at + 1 > maxBytes) {
        isFull = true;
      } else {
        taken = bytes + at + 1;
        lines += 1;
        isFull = lines >= maxLines;
      }
    }
    chunks.push(chunk);
    bytes += chunk.length;
    // The line that goes on is either the first, or one too many.
    isFull ||= lines > 0 && bytes >= maxBytes;
  }
  const [first] = chunks;
  const whole = chunks.length === 1 && first ? first : Buffer.concat(chunks, bytes);
  return { body: whole.subarray(0, taken), next: { line: cursor.line + lines, offset: cursor.offset + taken } };
}
