/** An event with which the agent itself says something about the log, as output: every reader shows that (spec CI 5.3). */
export function noticeLine(text: string, nowMs: number): string {
  return JSON.stringify({ event: 'cmd_output', timestamp: Math.floor(nowMs / 1000), output: `\n${text}\n` });
}

/** Whether a line is output of a command, of which the shape of a log does not depend. The keys of events have a fixed order. */
export function isOutputLine(line: string): boolean {
  return line.startsWith('{"event":"cmd_output"');
}
