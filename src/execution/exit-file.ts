import { readFileSync } from 'node:fs';

/**
 * What the `sh` around a tool writes, and nobody else: its process id as its first act, the tool's exit code as its last, a
 * line each. It needs no runner for that.
 */
export interface ExitRecord {
  pid: number | undefined;
  code: number | undefined;
}

/** Reads an exit file; a line without its end is not yet written. Both are undefined when there is no file. */
export function readExitFile(path: string): ExitRecord {
  const [pid, code] = linesOf(path);
  return { pid: numberIn(pid), code: numberIn(code) };
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
