import { readdirSync, readFileSync } from 'node:fs';

/** Processes whose command line or environment contains `mark`, zombies left out; Linux only, elsewhere none are found. */
export function processesWith(mark: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => read(`/proc/${pid}/cmdline`).includes(mark) || read(`/proc/${pid}/environ`).includes(mark))
    .map(Number);
}

/** Ends every process with `mark`; what a failed test left behind must not meet the next one. */
export function killProcessesWith(mark: string): void {
  for (const pid of processesWith(mark)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Ended by itself in between.
    }
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // The process has ended.
  }
}
