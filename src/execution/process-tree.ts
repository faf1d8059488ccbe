import { readdirSync, readFileSync } from 'node:fs';
import { codeOf } from '../lib/index.ts';

/**
 * Ending everything a task started. Three nets, each catching what the one before misses: the process group, an
 * environment tag that every descendant inherits (it survives `setsid` and double forks), and repetition, because a
 * process may fork between our look and our signal.
 */

/** Name of the environment variable that tags every process of a task. */
export const taskTagVariable = 'SEMAPHORE_TASK_TAG';

/** The same for processes that live only as long as the runner that started them, because it reads what they print. */
export const captureTagVariable = 'SEMAPHORE_TASK_CAPTURE';

/** Rounds of the sweep; each round kills all it sees, so only a fork bomb outlives several. */
const maxSweepRounds = 20;

/** Sends `signal` to the process group `pgid`; false when no process of it is left. */
export function signalGroup(pgid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pgid, signal);
    return true;
  } catch (error: unknown) {
    if (codeOf(error) === 'ESRCH') return false;
    if (codeOf(error) === 'EPERM') return true;
    throw error;
  }
}

/** True when the environment of process `pid` carries `tag`. */
export function isTagged(pid: number, tag: string): boolean {
  return environmentOf(pid)?.includes(`${taskTagVariable}=${tag}\0`) ?? false;
}

/** Process ids, other than our own, whose environment carries `tag`; empty where there is no `/proc`. */
export function findTagged(tag: string, variable: string = taskTagVariable): number[] {
  const needle = Buffer.from(`${variable}=${tag}\0`);
  const found: number[] = [];
  for (const name of processEntries()) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (environmentOf(pid)?.includes(needle)) found.push(pid);
  }
  return found;
}

/**
 * Kills every process that carries `tag`, until none is left or the rounds are used up. Returns how many processes were
 * signalled; zombies have no environment and are not counted.
 */
export function sweepTagged(tag: string, variable: string = taskTagVariable): number {
  const killed = new Set<number>();
  for (let round = 0; round < maxSweepRounds; round += 1) {
    const pids = findTagged(tag, variable);
    if (pids.length === 0) break;
    for (const pid of pids) {
      if (kill(pid)) killed.add(pid);
    }
  }
  return killed.size;
}

function processEntries(): string[] {
  try {
    return readdirSync('/proc');
  } catch {
    return [];
  }
}

function environmentOf(pid: number): Buffer | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`);
  } catch {
    // Gone meanwhile, a kernel thread, or another user's process: not ours.
    return undefined;
  }
}

function kill(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
