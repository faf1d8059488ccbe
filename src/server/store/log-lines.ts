import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { codeOf } from '../../lib/index.ts';
import type { LogRecord } from '../../protocol/ui/index.ts';

/** Records as lines of a log file, `<time> <text>\n`. A text with line breaks becomes several lines. */
export function encodeLines(records: readonly LogRecord[]): Buffer {
  let text = '';
  for (const { time, message } of records) {
    text += message.includes('\n') ? `${time} ${message.split('\n').join(`\n${time} `)}\n` : `${time} ${message}\n`;
  }
  return Buffer.from(text);
}

/**
 * The lines of a log file in batches, `<time> <text>`, without marks. Holds one piece of the file in memory at a time. The file
 * may grow meanwhile; what was there at the beginning is read.
 */
export async function* readLines(path: string): AsyncGenerator<string[]> {
  let rest = '';
  for await (const piece of readPieces(path)) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    // Marks are empty lines, a few among thousands.
    const records = lines.includes('') ? lines.filter((line) => line !== '') : lines;
    if (records.length > 0) yield records;
  }
}

async function* readPieces(path: string): AsyncGenerator<string> {
  let size: number;
  try {
    size = (await stat(path)).size;
  } catch (error: unknown) {
    // Nothing was logged yet.
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  if (size === 0) return;
  const stream = createReadStream(path, { encoding: 'utf8', end: size - 1, highWaterMark: 256 * 1024 });
  for await (const piece of stream) yield String(piece);
}

/** The text of a line. */
export function textOf(line: string): string {
  return line.slice(line.indexOf(' ') + 1);
}

/** Time and text of a line. */
export function decodeLine(line: string): LogRecord {
  const space = line.indexOf(' ');
  return { time: line.slice(0, space), message: line.slice(space + 1) };
}
