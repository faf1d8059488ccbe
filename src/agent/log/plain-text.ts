import { open } from 'node:fs/promises';
import type { Spool } from './spool.ts';

/**
 * Writes the log as text for people to a new file, mode 0600 (spec CI 7.5): the directive of each command and a line end, its output as it
 * is. Lines may have any length, and the log any size. Returns the bytes of the text. Throws the system error.
 */
export async function writePlainText(spool: Pick<Spool, 'batches'>, path: string): Promise<number> {
  const file = await open(path, 'wx', 0o600);
  let bytes = 0;
  try {
    for (const lines of spool.batches()) {
      const text = lines.toString('utf8').split('\n').map(textOf).join('');
      await file.appendFile(text);
      bytes += Buffer.byteLength(text);
    }
    return bytes;
  } finally {
    await file.close();
  }
}

function textOf(line: string): string {
  if (line === '') return '';
  const event: unknown = JSON.parse(line);
  if (typeof event !== 'object' || event === null) return '';
  const { event: kind, directive, output }: { event?: unknown; directive?: unknown; output?: unknown } = event;
  if (kind === 'cmd_started') return `${String(directive)}\n`;
  return kind === 'cmd_output' ? String(output) : '';
}
