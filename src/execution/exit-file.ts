import { readFileSync } from 'node:fs';

/**
 * What the `sh` around a tool writes, and nobody else: its process id as its first act, the tool's exit code as its last, a
 * line each. It needs no runner for that.
 */
export interface ExitRecord {
  pid: number | undefined;
  code: number | undefined;
  /** Why the log could not be written, when that happened: what `cat` said. */
  unlogged: string | undefined;
}

const unloggedWord = 'unlogged';

/** Reads an exit file; a line without its end is not yet written. All are undefined when there is no file. */
export function readExitFile(path: string): ExitRecord {
  return parseExitRecord(linesOf(path));
}

/** The record in these lines; the line about the log, which begins with a word, may be among them. */
export function parseExitRecord(lines: readonly string[]): ExitRecord {
  const [pid, code] = lines.filter((line) => !line.startsWith(unloggedWord));
  const unlogged = lines.find((line) => line.startsWith(unloggedWord))?.slice(unloggedWord.length);
  return {
    pid: numberIn(pid),
    code: numberIn(code),
    unlogged: unlogged?.trim().replace(/^cat: (write error: |-: )?/, ''),
  };
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').split('\n').slice(0, -1);
  } catch {
    return [];
  }
}

function numberIn(line: string | undefined): number | undefined {
  return line !== undefined && /^\d+$/.test(line) ? Number(line) : undefined;
}
