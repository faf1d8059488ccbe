import { setTimeout as delay } from 'node:timers/promises';
import { findProcesses } from './find-processes.ts';
import { readStat, ticksNow, type ProcessStat } from './proc.ts';
import { companionVariable, environmentHas, signalGroup } from './process-tree.ts';
import type { TaskCgroup } from './task-cgroup.ts';

/** Rounds of one killing; a process may fork between our look and our signal. */
const maxRounds = 5;
/** How long killed processes may take to go, milliseconds: the system may be busy, or wait for a disk. */
const endPatienceMs = 5000;

export interface TaskProcessesOptions {
  cgroup?: TaskCgroup | undefined;
  /** True when processes of an earlier runner may be among them; else only what starts from now on is looked at. */
  takenOver?: boolean;
}

/**
 * All processes of one task, whatever they did to get away: those of its cgroup where there is one, and those that carry its
 * mark or tag, or are kin to one that does. Signals go to whole process groups, because the system delivers them to all
 * members before any of these can fork; a group never has members that are not of the task, because every step begins a
 * session of its own.
 */
export class TaskProcesses {
  readonly tag: string;
  readonly cgroup: TaskCgroup | undefined;
  readonly #since: number;

  constructor(tag: string, { cgroup, takenOver = false }: TaskProcessesOptions = {}) {
    this.tag = tag;
    this.cgroup = cgroup;
    this.#since = takenOver ? 0 : ticksNow();
  }

  /** Those that are alive now; empty where there is neither `/proc` nor a cgroup. */
  list(): ProcessStat[] {
    const found = findProcesses(this.tag, this.#since);
    const known = new Set(found.map(({ pid }) => pid));
    for (const pid of this.cgroup?.processes() ?? []) {
      const stat = known.has(pid) ? undefined : readStat(pid);
      if (stat && stat.state !== 'Z' && stat.state !== 'X') found.push(stat);
    }
    return found;
  }

  /** The same without those that only serve the others, and end last. */
  listSteps(): ProcessStat[] {
    return this.list().filter(({ pid }) => !environmentHas(pid, companionVariable));
  }

  /**
   * Sends `signal` once to every process of a step, and wakes those that are stopped, which else would not see it. `leader` is the
   * step's own group, for systems that cannot be asked for others.
   */
  signal(signal: NodeJS.Signals, leader?: number): void {
    const groups = groupsOf(this.listSteps());
    if (leader !== undefined) groups.add(leader);
    for (const group of groups) signalGroup(group, signal);
    for (const group of groups) signalGroup(group, 'SIGCONT');
  }

  /** Kills all, without waiting for the effect. Returns how many there were. */
  kill(): number {
    const killed = new Set<number>();
    for (let round = 0; round < maxRounds; round += 1) {
      this.cgroup?.kill();
      const found = this.list();
      if (found.length === 0) break;
      for (const group of groupsOf(found)) signalGroup(group, 'SIGKILL');
      for (const { pid } of found) killed.add(pid);
    }
    return killed.size;
  }

  /**
   * Kills all and waits until they are gone; the cgroup is removed, too. `left` are those that stay: processes of another user
   * that this one may not kill, or that the system does not let go. `hits` are sentences on the limits that were met.
   */
  async end(): Promise<{ left: ProcessStat[]; hits: string[] }> {
    const end = Date.now() + endPatienceMs;
    let left = this.#killAndLook();
    for (let wait = 2; left.length > 0 && Date.now() < end; wait = Math.min(wait * 2, 100)) {
      await delay(wait);
      left = this.#killAndLook();
    }
    const hits = this.cgroup?.hits() ?? [];
    await this.cgroup?.remove();
    return { left, hits };
  }

  #killAndLook(): ProcessStat[] {
    return this.kill() === 0 ? [] : this.list();
  }
}

/** Their process groups but ours. */
function groupsOf(found: readonly ProcessStat[]): Set<number> {
  const own = readStat(process.pid)?.group;
  return new Set(found.map(({ group }) => group).filter((group) => group > 1 && group !== own));
}
