import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';

/** What `/proc/<pid>/stat` tells of a process. Linux only; elsewhere nothing is found. */
export interface ProcessStat {
  pid: number;
  /** One letter; `Z` and `X` are dead. */
  state: string;
  parent: number;
  group: number;
  session: number;
  /** Threads of the kernel have no place in any task. */
  isKernelThread: boolean;
  /** Clock ticks between the boot and its start. */
  startTicks: number;
}

/** Flag of the kernel's own threads (PF_KTHREAD). */
const kernelThreadFlag = 0x20_00_00;
/** Ticks of `/proc` in a second: a constant of the interface, whatever the kernel counts in. */
const ticksPerSecond = 100;

// One buffer for all: a look at every process of the machine must be cheap, and nothing here waits.
const buffer = Buffer.allocUnsafe(4096);

/** All processes there are at this moment, dead ones and threads of the kernel left out. */
export function listProcesses(): ProcessStat[] {
  const found: ProcessStat[] = [];
  for (const name of processNames()) {
    const stat = readStat(name);
    if (stat && stat.state !== 'Z' && stat.state !== 'X' && !stat.isKernelThread) found.push(stat);
  }
  return found;
}

/** One process, also a dead one that nobody has waited for yet; undefined when it is gone. */
export function readStat(pid: number | string): ProcessStat | undefined {
  const text = readShort(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The command name in parentheses may contain spaces and parentheses: count fields from its end.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ', 20);
  return {
    pid: Number.parseInt(text, 10),
    state: fields[0] ?? 'X',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    isKernelThread: (Number(fields[6]) & kernelThreadFlag) !== 0,
    startTicks: Number(fields[19]),
  };
}

/** The present moment in the ticks of `startTicks`; 0 where the system does not tell. */
export function ticksNow(): number {
  const seconds = Number.parseFloat(readShort('/proc/uptime') ?? '');
  return Number.isFinite(seconds) ? Math.floor(seconds * ticksPerSecond) : 0;
}

/** Environment of a process as it was started with; undefined when it is gone or not ours to see. */
export function readEnvironment(pid: number): Buffer | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`);
  } catch {
    return undefined;
  }
}

/** The start (4 KiB) of a file of `/proc`, which anybody may read; undefined when it is gone. */
export function readShort(path: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    return buffer.toString('latin1', 0, readSync(fd, buffer));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function processNames(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d/.test(name));
  } catch {
    return [];
  }
}
