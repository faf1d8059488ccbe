import { readFileSync } from 'node:fs';

/**
 * Start time of a process in clock ticks since boot (`/proc/<pid>/stat`, field 22): with the pid it names a process for
 * good, because pids are reused. Undefined when the process is gone or there is no `/proc`.
 */
export function processStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name in parentheses may contain spaces and parentheses: count fields from its end.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
