import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/**
 * Takes this process's environment out of `/proc/<pid>/environ`, where every process of the same user could read it for as long as we
 * run, tasks included. What it shows is the memory that the kernel wrote at the start; deleting from `process.env` does not change that. So
 * every variable that is still wanted is set once more, which puts it into memory of our own, and the first place is overwritten, as
 * sshd and PostgreSQL do for their titles.
 *
 * `process.env` stays as it is. Returns false where this cannot be done; then nothing has changed.
 */
export function hideEnvironment(): boolean {
  // In a worker `process.env` is a copy, and setting a variable moves nothing.
  if (process.platform !== 'linux' || !isMainThread) return false;
  try {
    const block = readFileSync('/proc/self/environ');
    const start = startOfBlock(readFileSync('/proc/self/stat', 'latin1'));
    const memory = openSync('/proc/self/mem', 'r+');
    try {
      for (const { at, entry } of entriesOf(block)) {
        if (moveAway(entry)) writeSync(memory, Buffer.alloc(entry.length), 0, entry.length, start + at);
      }
    } finally {
      closeSync(memory);
    }
    return entriesOf(readFileSync('/proc/self/environ')).every(({ entry }) => isStillUsed(entry));
  } catch {
    return false;
  }
}

/** Field 50 of proc(5): where the environment begins. The second field, the name of the program, may hold spaces and brackets. */
function startOfBlock(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const start = Number(fields[50 - 3]);
  if (!Number.isSafeInteger(start) || start <= 0) throw new Error('the kernel does not tell where the environment is');
  return start;
}

function entriesOf(block: Buffer): { at: number; entry: Buffer }[] {
  const entries: { at: number; entry: Buffer }[] = [];
  let at = 0;
  while (at < block.length) {
    const end = block.indexOf(0, at);
    const entry = block.subarray(at, end === -1 ? block.length : end);
    if (entry.length > 0) entries.push({ at, entry });
    at += entry.length + 1;
  }
  return entries;
}

/** Sets the variable anew if it is still there; true when nothing refers to its first place any more. */
function moveAway(entry: Buffer): boolean {
  if (isStillUsed(entry)) return false;
  const { name, value } = variableOf(entry);
  if (process.env[name] === value) process.env[name] = value;
  return true;
}

/** A value that is no UTF-8 cannot be set once more as it is: such a variable is left where it is. */
function isStillUsed(entry: Buffer): boolean {
  const { name, value } = variableOf(entry);
  return process.env[name] !== undefined && !Buffer.from(`${name}=${value}`).equals(entry);
}

function variableOf(entry: Buffer): { name: string; value: string } {
  const text = entry.toString('utf8');
  const equals = text.indexOf('=', 1);
  return equals === -1 ? { name: '', value: '' } : { name: text.slice(0, equals), value: text.slice(equals + 1) };
}
