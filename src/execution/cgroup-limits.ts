import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskLimits } from '../config/index.ts';
import type { CgroupPlace } from './cgroup-layout.ts';

type Version = CgroupPlace['version'];

/** Controller of the kernel that keeps each limit. */
export const controllerOf = { cpu: 'cpu', memoryBytes: 'memory', processes: 'pids' } as const;

/** Microseconds over which the use of processors is counted. */
const cpuPeriod = 100_000;

/** The limits that are set. */
export function setLimits(limits: TaskLimits): (keyof TaskLimits)[] {
  return (['cpu', 'memoryBytes', 'processes'] as const).filter((name) => limits[name] !== undefined);
}

/** Writes one limit into a cgroup. Throws the system error when the kernel refuses it. */
export function writeLimit(directory: string, version: Version, name: keyof TaskLimits, value: number): void {
  const write = (file: string, text: string | number): void => writeFileSync(join(directory, file), String(text));
  /** What a kernel without swap, or without accounting for it, does not have. */
  const writeIfThere = (file: string, text: string | number): void => {
    if (existsSync(join(directory, file))) write(file, text);
  };
  const quota = Math.round(value * cpuPeriod);
  switch (name) {
    case 'cpu':
      if (version === 2) return write('cpu.max', `${quota} ${cpuPeriod}`);
      write('cpu.cfs_period_us', cpuPeriod);
      return write('cpu.cfs_quota_us', quota);
    case 'memoryBytes':
      write(version === 2 ? 'memory.max' : 'memory.limit_in_bytes', value);
      return version === 2 ? writeIfThere('memory.swap.max', 0) : writeIfThere('memory.memsw.limit_in_bytes', value);
    default:
      return write('pids.max', value);
  }
}

/** How often a limit was enforced in a cgroup: processes killed for memory, processes that could not be started. */
export function timesHit(directory: string, version: Version, name: 'memoryBytes' | 'processes'): number {
  const [file, key] =
    name === 'processes'
      ? ['pids.events', 'max']
      : [version === 2 ? 'memory.events' : 'memory.oom_control', 'oom_kill'];
  try {
    const text = readFileSync(join(directory, file), 'latin1');
    return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  } catch {
    // Never entered, or a kernel that does not count.
    return 0;
  }
}

/** What the log says of limits that were enforced, one sentence each. */
export function hitSentence(name: 'memoryBytes' | 'processes', times: number, limits: TaskLimits): string {
  return name === 'memoryBytes'
    ? `The task needed more memory than it may have (${sizeText(limits.memoryBytes ?? 0)}, runner.limits.memory): ${
        times === 1 ? 'the system killed a process' : `the system killed ${times} processes`
      } of it.`
    : `The task reached its limit of ${limits.processes ?? 0} processes (runner.limits.processes): ${
        times === 1 ? 'one more' : `${times} more`
      } could not be started.`;
}

/** `512 MiB`, `1.5 GB`: in the unit that gives the rounder number. */
function sizeText(bytes: number): string {
  const [base, units] = bytes % 1024 === 0 ? [1024, ['KiB', 'MiB', 'GiB', 'TiB']] : [1000, ['kB', 'MB', 'GB', 'TB']];
  let value = bytes;
  let unit = 'bytes';
  for (const next of units) {
    if (value < base) break;
    value /= base;
    unit = next;
  }
  return `${Math.round(value * 100) / 100} ${unit}`;
}
