import { createHash } from 'node:crypto';
import { readShort } from './proc.ts';

/**
 * A mark that every descendant of a task's shell inherits and that nothing short of intent removes: not `setsid`, not a
 * double fork, not `env -i`, not another user. It is the soft limit for file locks (RLIMIT_LOCKS), which no kernel since
 * 2.4.25 enforces, set to a number that stands for the task. Everybody may read the limits of every process.
 */

/** Marks begin here, so that no limit that somebody means is taken for one. */
const firstMark = 2 ** 52;

/** The number that stands for the task with `tag`; 48 bits of it are of the tag. */
export function markOf(tag: string): number {
  return firstMark + createHash('sha256').update(tag).digest().readUIntBE(0, 6);
}

/** Command for `sh` that marks itself: `-w` is how dash, busybox and ksh call this limit, `-x` how bash does. */
export function markCommand(tag: string): string {
  const mark = markOf(tag);
  return `ulimit -S -w ${mark} 2>/dev/null || ulimit -S -x ${mark} 2>/dev/null; `;
}

/** True when process `pid` bears `mark`. */
export function bearsMark(pid: number, mark: number): boolean {
  return readShort(`/proc/${pid}/limits`)?.includes(`\nMax file locks            ${mark} `) ?? false;
}
