import { closeSync, constants, fstatSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../lib/index.ts';

/** What a task holds in its project directory. */
export interface LeaseNote {
  kind: 'alone' | 'shared';
  /** Name in the project directory; "." is that directory itself. */
  name: string;
}

/** In a task's private directory: what the task holds, for the runner that goes on with it when this one is killed. */
const notesName = '.leases';

/** A few lines; what is longer is none of ours. */
const maxBytes = 16 * 1024;

/**
 * Notes one more thing that a task holds. Synchronous, so that nothing is in use that is not noted; a line behind the others, because a
 * new file for each costs more than the rest of a lease.
 */
export function addLeaseNote(privateDirectory: string, { kind, name }: LeaseNote): void {
  const path = join(privateDirectory, notesName);
  const fd = openToAppend(path);
  try {
    const line = Buffer.from(`${kind} ${name}\n`);
    if (writeSync(fd, line) < line.length)
      throw Object.assign(new Error(`${path} cannot be written`), { code: 'ENOSPC' });
  } finally {
    closeSync(fd);
  }
}

/** Tools can write there: what is no file of one name is in the way and goes. */
function openToAppend(path: string): number {
  const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;
  try {
    const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    const found = fstatSync(fd);
    if (found.isFile() && found.nlink === 1) return fd;
    closeSync(fd);
  } catch (error: unknown) {
    if (!['ELOOP', 'ENXIO'].includes(codeOf(error) ?? '')) throw error;
  }
  rmSync(path, { force: true });
  return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, 0o600);
}

/**
 * What the task in this directory holds; nothing when there are no notes. Tools can write there, so that only what can be a
 * name in the project directory counts.
 */
export function readLeaseNotes(privateDirectory: string): LeaseNote[] {
  // The last piece is empty, or a line that was cut short.
  const lines = textOf(join(privateDirectory, notesName)).split('\n').slice(0, -1);
  return lines.flatMap((line) => {
    const [, kind, name] = /^(alone|shared) (\.|(?:repository|mirror)_[A-Za-z0-9._-]+)$/.exec(line) ?? [];
    return name !== undefined && (kind === 'alone' || kind === 'shared') ? [{ kind, name }] : [];
  });
}

function textOf(path: string): string {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const found = fstatSync(fd);
    return found.isFile() && found.size <= maxBytes ? readFileSync(fd, 'utf8') : '';
  } catch {
    // The task holds nothing yet, or a tool has removed it: then that tool's task is the one to suffer.
    return '';
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
