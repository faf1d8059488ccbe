import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf } from '../lib/index.ts';

/**
 * Within one process tasks take turns at a mirror. A git that goes on when the runner was killed is out of that order, until its
 * own task has been taken up again; so whoever starts git in a mirror leaves a mark beside it, and whoever finds the mark of
 * another task there waits until no process works in the mirror.
 */

/** Between two looks whether the other git has ended, milliseconds. */
const lookMs = 50;

/** Runs `work`, which starts git in the mirror, with a mark beside it. `who` names the task. */
export async function marked<Value>(mirror: string, who: string, work: () => Promise<Value>): Promise<Value> {
  setMark(markOf(mirror), who);
  try {
    return await work();
  } finally {
    rmSync(markOf(mirror), { force: true });
  }
}

function setMark(path: string, who: string): void {
  try {
    // Never through a link that tools may have put in its place.
    const write = (): void => writeFileSync(path, who, { mode: 0o600, flag: 'wx' });
    try {
      write();
    } catch (error: unknown) {
      if (codeOf(error) !== 'EEXIST') throw error;
      rmSync(path, { force: true });
      write();
    }
  } catch {
    // What is wrong with the disk git will tell better than we could.
  }
}

/** Resolves when no git works in the mirror that an earlier process started for another task. Rejects when `signal` is aborted. */
export async function untilFree(mirror: string, who: string, signal: AbortSignal): Promise<void> {
  const mark = read(markOf(mirror));
  if (mark === undefined || mark === who) return;
  while (hasWorker(mirror)) await delay(lookMs, undefined, { signal });
  rmSync(markOf(mirror), { force: true });
}

function markOf(mirror: string): string {
  return join(dirname(mirror), `.busy-${basename(mirror)}`);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** True when a process has the mirror for its working directory, as git and its helpers have. */
function hasWorker(mirror: string): boolean {
  try {
    return readdirSync('/proc').some((name) => /^\d+$/.test(name) && directoryOf(name) === mirror);
  } catch {
    return false;
  }
}

function directoryOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}
