import type { Failure } from './errors.ts';

/** The only place that writes to the terminal; everything else returns words. */

/** A line of result on standard output. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** A line about what is going on, on standard error. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function warn(line: string): void {
  note(`Warning: ${line}`);
}

/** For commands that go on: output that cannot be written (a full disk, a closed pipe) is no reason to end. */
export function outliveOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    // The parser of the command line has one that throws.
    stream.removeAllListeners('error');
    stream.on('error', () => undefined);
  }
}

/** The lines of a failure on standard error; in a terminal what and where stand out from what to do. */
export async function printFailure({ lines: [what, ...rest] }: Failure): Promise<void> {
  if (what === undefined) return;
  if (process.stderr.isTTY && !process.env['NO_COLOR']) {
    const { chalkStderr } = await import('chalk');
    note(what.replace(/^Error:/, chalkStderr.red.bold('Error:')));
  } else note(what);
  for (const line of rest) note(line);
}
