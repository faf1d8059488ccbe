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
