import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

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

/** Notes what a task holds. Synchronous, so that nothing is in use that is not noted. */
export function writeLeaseNotes(privateDirectory: string, notes: readonly LeaseNote[]): void {
  const path = join(privateDirectory, notesName);
  const fresh = `${path}-${randomBytes(4).toString('hex')}`;
  writeFileSync(fresh, notes.map(({ kind, name }) => `${kind} ${name}\n`).join(''), { mode: 0o600, flag: 'wx' });
  renameSync(fresh, path);
}

/**
 * What the task in this directory holds; nothing when there are no notes. Tools can write there, so that only what can be a
 * name in the project directory counts.
 */
export function readLeaseNotes(privateDirectory: string): LeaseNote[] {
  const lines = textOf(join(privateDirectory, notesName)).split('\n');
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
