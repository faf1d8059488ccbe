import { readdirSync, readlinkSync } from 'node:fs';
import { listProcesses, readShort } from './proc.ts';

/**
 * Who has a terminal's keyboard, and whether somebody waits for a key.
 *
 * - `prompt`: the session leader waits for keys as a line editor does, so it is a shell at its prompt;
 * - `reading`: a process of the foreground group is blocked in a read of the terminal. `group` is that group, `isLeader` says
 *   whether the session leader itself reads, and `work` is the processor time of the whole group (ticks), by which two looks
 *   tell whether anything goes on beside the waiting;
 * - `busy`: neither;
 * - undefined: the system does not tell (no `/proc` as of Linux, another processor than x64 and arm64, the leader is gone).
 */
export type Foreground =
  | { kind: 'prompt' }
  | { kind: 'reading'; group: number; isLeader: boolean; work: number }
  | { kind: 'busy' };

/** Numbers of the system calls by which one waits for a key. */
const callNumbers: Readonly<Record<string, { read: number; select: readonly number[] }>> = {
  x64: { read: 0, select: [23, 270] },
  arm64: { read: 63, select: [72] },
};

/** Threads of one process that are looked at. */
const maxThreads = 64;

/** The foreground of the terminal at `path`, of the session that process `leader` leads. */
export function lookAtForeground(leader: number, path: string): Foreground | undefined {
  const group = foregroundGroup(leader);
  const calls = callNumbers[process.arch];
  if (group === undefined || calls === undefined) return undefined;
  let work = 0;
  let reader: number | undefined;
  for (const { pid } of listProcesses().filter((found) => found.group === group)) {
    work += workOf(pid);
    const way = wayOfWaiting(pid, path, calls);
    if (pid === leader && way === 'select') return { kind: 'prompt' };
    if (way !== undefined) reader ??= pid;
  }
  if (reader === undefined) return { kind: 'busy' };
  return { kind: 'reading', group, isLeader: reader === leader, work };
}

/** The process group that the terminal of `leader` belongs to now; undefined when the system does not tell. */
export function foregroundGroup(leader: number): number | undefined {
  const group = Number(statFields(leader)[5]);
  return Number.isInteger(group) && group > 0 ? group : undefined;
}

function workOf(pid: number): number {
  const fields = statFields(pid);
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}

/** Fields of `/proc/<pid>/stat` from the third on. */
function statFields(pid: number): string[] {
  const text = readShort(`/proc/${pid}/stat`) ?? '';
  return text.slice(text.lastIndexOf(')') + 2).split(' ', 16);
}

function wayOfWaiting(
  pid: number,
  path: string,
  calls: { read: number; select: readonly number[] },
): 'read' | 'select' | undefined {
  for (const thread of threadsOf(pid)) {
    // "number argument argument …" of the call that the thread is blocked in; "running" when it is not.
    const words = (readShort(`/proc/${pid}/task/${thread}/syscall`) ?? '').split(' ', 7).map(Number);
    const [call, first, , , , timeout] = words;
    if (call === calls.read && first !== undefined && isTerminal(pid, first, path)) return 'read';
    // Descriptor 0 and no other is waited for, and for as long as it takes.
    if (call !== undefined && calls.select.includes(call) && first === 1 && timeout === 0 && isTerminal(pid, 0, path))
      return 'select';
  }
  return undefined;
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).slice(0, maxThreads);
  } catch {
    return [];
  }
}

function isTerminal(pid: number, fd: number, path: string): boolean {
  try {
    const link = readlinkSync(`/proc/${pid}/fd/${fd}`);
    return link === path || link === '/dev/tty';
  } catch {
    return false;
  }
}
