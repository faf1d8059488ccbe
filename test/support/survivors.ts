import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { TaskProcesses } from '../../src/execution/index.ts';

/**
 * Counts what is left of a task in a way of its own, not the one of the program: by the tag in environments, by cgroups of
 * that name in any hierarchy and who is in them, by ancestry as it was seen while the task ran, and by a text in command lines.
 */
export class Survivors {
  readonly #tag: string;
  readonly #word: string | undefined;
  /** Every process that was ever seen to be of the task, with its start time: pids are used again. */
  readonly #seen = new Map<number, string>();
  readonly #looking: NodeJS.Timeout;

  /** `word` stands in the command line of what is expected to be hard to find. */
  constructor(tag: string, word?: string) {
    this.#tag = tag;
    this.#word = word;
    this.#looking = setInterval(() => this.#look(), 20);
    this.#looking.unref();
  }

  /** Waits until nothing is left, and fails when something is. Ends the watch; what was left is killed. */
  async expectNone(timeoutMs = 20_000): Promise<void> {
    clearInterval(this.#looking);
    try {
      await expect.poll(() => this.list(), { timeout: timeoutMs, message: 'survivors' }).toEqual([]);
    } finally {
      killTask(this.#tag);
    }
  }

  /** A line for each that is alive, and for each cgroup that is there. */
  list(): string[] {
    const all = processes();
    const found = all.filter(
      ({ pid, start }) =>
        this.#seen.get(pid) === start ||
        read(`/proc/${pid}/environ`).includes(`SEMAPHORE_TASK_TAG=${this.#tag}`) ||
        (this.#word !== undefined && read(`/proc/${pid}/cmdline`).includes(this.#word)),
    );
    const pids = new Set(found.map(({ pid }) => pid));
    return [
      ...[...pids].map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`),
      ...cgroupsOf(this.#tag).map((path) => `${path}: ${read(join(path, 'cgroup.procs')).replaceAll('\n', ' ')}`),
    ];
  }

  #look(): void {
    const all = processes();
    for (const { pid, parent, start } of all) {
      // Other children of this process are no business of the task.
      if (parent === process.pid && read(`/proc/${pid}/environ`).includes(this.#tag)) this.#seen.set(pid, start);
    }
    for (;;) {
      const more = all.filter(({ pid, parent, start }) => this.#seen.has(parent) && this.#seen.get(pid) !== start);
      if (more.length === 0) return;
      for (const { pid, start } of more) this.#seen.set(pid, start);
    }
  }
}

/** Ends whatever a test has left of a task. */
export function killTask(tag: string): void {
  new TaskProcesses(tag, { takenOver: true }).kill();
}

/** Ids of the processes of a task, as the program finds them. */
export function findTask(tag: string): number[] {
  return new TaskProcesses(tag, { takenOver: true }).list().map(({ pid }) => pid);
}

/** Directories of the cgroups of all runners with a state directory of their own below `work`, in every hierarchy. */
export function cgroupsOfRunners(work: string): string[] {
  if (!existsSync(work)) return [];
  const states = readdirSync(work).filter((name) => name.startsWith('.runner-'));
  return states.flatMap((name) => cgroupsOf(createHash('sha256').update(join(work, name)).digest('hex').slice(0, 8)));
}

/** Removes cgroups that a runner, killed for good, has left with nothing in them. */
export function removeCgroups(directories: readonly string[]): void {
  for (const directory of directories) {
    try {
      rmdirSync(directory);
    } catch {
      // Somebody is in it: the test that left it has failed, and says so.
    }
  }
}

/** Directories of the cgroups of the task with this tag, or of the owner with this hash, in every hierarchy that is mounted. */
export function cgroupsOf(tag: string): string[] {
  const roots = read('/proc/mounts')
    .split('\n')
    .flatMap((line) => (/ cgroup2? /.test(line) ? [line.split(' ')[1] ?? ''] : []));
  return roots.flatMap((root) => withName(root, tag, 4));
}

function withName(directory: string, tag: string, depth: number): string[] {
  let names: string[];
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
  const found = names
    .filter((name) => name.startsWith('semaphore-') && name.includes(`-${tag}`))
    .map((name) => join(directory, name));
  return depth === 0 ? found : [...found, ...names.flatMap((name) => withName(join(directory, name), tag, depth - 1))];
}

interface Seen {
  pid: number;
  parent: number;
  start: string;
}

/** All processes but dead ones. */
function processes(): Seen[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const stat = read(`/proc/${name}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, parent] = fields;
    if (stat === '' || state === 'Z' || state === 'X') return [];
    return [{ pid: Number(name), parent: Number(parent), start: fields[19] ?? '' }];
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // The process has ended.
  }
}
