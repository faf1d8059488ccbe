import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Looks for secrets wherever other processes and users of a machine could find them. Linux only. */

/** Names of secrets to what they are. */
export type Secrets = Readonly<Record<string, string>>;

/** `<name of the secret> in <place>`. */
export type Sighting = string;

/** `root` and all that it has started, directly or not, as far as their parents still live. */
export function familyOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const stat = read(`/proc/${name}/stat`).toString('latin1');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const family = [root];
  for (const pid of family) family.push(...(children.get(pid) ?? []));
  return family;
}

/** Processes with `mark` in their environment. */
export function markedWith(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && read(`/proc/${name}/environ`).includes(mark))
    .map(Number);
}

/** Secrets in the command lines and environments of processes. */
export function seenInProcesses(pids: Iterable<number>, secrets: Secrets): Sighting[] {
  return [...new Set(pids)].flatMap((pid) =>
    (['cmdline', 'environ'] as const).flatMap((file) => {
      const content = read(`/proc/${pid}/${file}`);
      return find(content, secrets).map((name) => `${name} in ${file} of ${nameOf(pid)}`);
    }),
  );
}

/** Secrets in files below these directories, in names and contents; pipes and sockets are not opened. */
export function seenInFiles(directories: readonly string[], secrets: Secrets): Sighting[] {
  return entriesBelow(directories).flatMap(({ path, kind }) => {
    const content = kind === 'file' ? read(path) : Buffer.alloc(0);
    return find(Buffer.concat([Buffer.from(path), content]), secrets).map((name) => `${name} in ${path}`);
  });
}

/** What another user could open: entries that are not private themselves and lie in no private directory. */
export function exposedBelow(directories: readonly string[]): string[] {
  return entriesBelow(directories).flatMap(({ path, isPrivate }) => (isPrivate ? [] : [path]));
}

/** Entries directly below a directory that are not for their owner alone: not 0600, or 0700 for directories. */
export function looseIn(directory: string): string[] {
  return entriesBelow([directory]).flatMap(({ path, kind, mode }) => {
    if (kind === 'link') return [];
    return (mode & 0o077) === 0 ? [] : [`${path} ${mode.toString(8)}`];
  });
}

/** Descriptors of a process beyond the usual three, as `<number> <what it is>`. */
export function furtherDescriptors(pid: number): string[] {
  return entriesOf(`/proc/${pid}/fd`)
    .filter((fd) => Number(fd) > 2)
    .map((fd) => `${fd} ${linkOf(`/proc/${pid}/fd/${fd}`)}`);
}

interface Entry {
  path: string;
  kind: 'file' | 'directory' | 'link' | 'other';
  mode: number;
  /** Closed to others, by itself or by a directory above. */
  isPrivate: boolean;
}

function entriesBelow(directories: readonly string[], above = false): Entry[] {
  return directories.flatMap((directory) =>
    entriesOf(directory).flatMap((name) => {
      const path = join(directory, name);
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (!found) return [];
      const mode = found.mode & 0o777;
      const closed = above || (lstatSync(directory, { throwIfNoEntry: false })?.mode ?? 0o700) % 0o100 === 0;
      const isPrivate = closed || mode % 0o100 === 0;
      const kind = found.isDirectory()
        ? 'directory'
        : found.isFile()
          ? 'file'
          : found.isSymbolicLink()
            ? 'link'
            : 'other';
      const below = kind === 'directory' ? entriesBelow([path], isPrivate) : [];
      return [{ path, kind, mode, isPrivate }, ...below] satisfies Entry[];
    }),
  );
}

function find(content: Buffer, secrets: Secrets): string[] {
  return Object.entries(secrets).flatMap(([name, value]) => {
    const forms = [value, Buffer.from(value).toString('base64').replace(/=+$/, '').slice(0, -1)];
    return forms.some((form) => content.includes(form)) ? [name] : [];
  });
}

function nameOf(pid: number): string {
  return read(`/proc/${pid}/comm`).toString('latin1').trim();
}

function entriesOf(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // Gone meanwhile.
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // Closed meanwhile.
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0); // Ended or removed meanwhile.
  }
}
