import { listProcesses, readStat, type ProcessStat } from './proc.ts';
import { environmentHas, taskTagVariable } from './process-tree.ts';
import { bearsMark, markOf } from './task-mark.ts';

/**
 * The processes of the task with `tag`, by all that `/proc` tells: the mark or the tag that they inherited, a session that such
 * a process is in, or such a parent. What is dead, or was started before `since` (ticks), is not looked at twice: a machine may
 * have thousands of processes that have nothing to do with the task.
 *
 * Not found is who has none of these: who set its limits and its environment itself and then left session and parent, and
 * whoever was not started by the task but on its behalf, by a service (`docker run`, `systemd-run`, `at`).
 */
export function findProcesses(tag: string, since = 0): ProcessStat[] {
  const mark = markOf(tag);
  const found: ProcessStat[] = [];
  const others: ProcessStat[] = [];
  for (const stat of listProcesses()) {
    if (stat.startTicks < since || stat.pid === process.pid) continue;
    (isOf(stat.pid, tag, mark) ? found : others).push(stat);
  }
  return found.length === 0 ? found : [...found, ...relatives(found, others)];
}

/** True when process `pid` bears the mark or the tag of the task with `tag`. */
export function isOfTask(pid: number, tag: string): boolean {
  return isOf(pid, tag, markOf(tag));
}

function isOf(pid: number, tag: string, mark: number): boolean {
  return bearsMark(pid, mark) || environmentHas(pid, taskTagVariable, tag);
}

/** Those of `others` that are in a session with one that was found, or descend from one. */
function relatives(found: readonly ProcessStat[], others: readonly ProcessStat[]): ProcessStat[] {
  const ownSession = readStat(process.pid)?.session;
  const sessions = new Set(found.map(({ session }) => session));
  sessions.delete(ownSession ?? 0);
  // A session that began outside of this container.
  sessions.delete(0);
  const family = new Set(found.map(({ pid }) => pid));
  const more: ProcessStat[] = [];
  for (;;) {
    const next = others.filter(
      ({ pid, parent, session }) => !family.has(pid) && (family.has(parent) || sessions.has(session)),
    );
    if (next.length === 0) return more;
    for (const { pid } of next) family.add(pid);
    more.push(...next);
  }
}
