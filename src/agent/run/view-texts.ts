/** "340 ms", "1.2 s", "2 min 5 s". */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A command of several lines, in one. */
export function firstLineOf(directive: string): string {
  const [first = '', ...rest] = directive.trim().split('\n');
  return rest.length === 0 ? first : `${first} … (${rest.length} more ${rest.length === 1 ? 'line' : 'lines'})`;
}

export function outputLines(output: string): number {
  return output.split('\n').filter((line) => line !== '').length;
}
