import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TaskLimits } from '../config/index.ts';
import { codeOf } from '../lib/index.ts';
import type { CgroupPlace } from './cgroup-layout.ts';
import type { CgroupWarmUp } from './cgroup-warm-up.ts';
import { hitSentence, timesHit, writeLimit } from './cgroup-limits.ts';

/** One hierarchy in which tasks have cgroups, and what is limited there. */
export interface CgroupUse {
  place: CgroupPlace;
  limits: readonly (keyof TaskLimits)[];
}

export interface TaskCgroupOptions {
  /** The first is the one by which processes are found and killed. */
  uses: readonly CgroupUse[];
  /** Of the directory in each hierarchy. */
  name: string;
  limits: TaskLimits;
  warmUp: CgroupWarmUp;
}

/** How long the kernel may take to let go of a cgroup whose processes were killed, milliseconds. */
const removalPatienceMs = 3000;

/**
 * The cgroup of one task: a directory in each hierarchy that is used, all of the same name. It is known by its name alone,
 * so that whoever comes after a killed runner finds it with what runs in it. The first hierarchy is the one by which
 * processes are found and killed; all of them have all processes.
 */
export class TaskCgroup {
  readonly #uses: readonly CgroupUse[];
  readonly #name: string;
  readonly #limits: TaskLimits;
  readonly #warmUp: CgroupWarmUp;

  constructor({ uses, name, limits, warmUp }: TaskCgroupOptions) {
    this.#uses = uses;
    this.#name = name;
    this.#limits = limits;
    this.#warmUp = warmUp;
  }

  /** A process will enter it soon. */
  expectEntry(): void {
    void this.#warmUp.begin();
  }

  /** A process that is not within its limits must not run. */
  get isRequired(): boolean {
    return this.#uses.some(({ limits }) => limits.length > 0);
  }

  get directories(): string[] {
    return this.#uses.map((use) => this.#directory(use));
  }

  /** Makes what is not there yet, limits first. Throws the system error when that is not possible. */
  make(): void {
    for (const use of this.#uses) {
      const directory = this.#directory(use);
      try {
        mkdirSync(directory);
      } catch (error: unknown) {
        if (codeOf(error) === 'EEXIST') continue;
        throw error;
      }
      for (const name of use.limits) writeLimit(directory, use.place.version, name, this.#limits[name] ?? 0);
    }
  }

  /** Descriptors to which a process writes `0` to enter; the caller closes them. Throws the system error. */
  openEntrances(): number[] {
    const opened: number[] = [];
    try {
      for (const directory of this.directories) opened.push(openSync(join(directory, 'cgroup.procs'), 'w'));
      return opened;
    } catch (error: unknown) {
      for (const fd of opened) closeSync(fd);
      throw error;
    }
  }

  /** Ids of the processes in it, also those of another user, also in cgroups that the task made below. */
  processes(): number[] {
    return subtree(this.directories[0]).flatMap((directory) =>
      readProcs(directory).filter((pid) => pid !== process.pid && pid > 0),
    );
  }

  /** Kills all processes in it at one stroke, so that none can start another meanwhile; older kernels stop them first. */
  kill(): void {
    const [directory] = this.directories;
    if (directory === undefined || !existsSync(directory)) return;
    if (tryWrite(join(directory, 'cgroup.kill'), '1')) return;
    const frozen = freeze(directory, true);
    for (const pid of this.processes()) killProcess(pid);
    if (frozen) freeze(directory, false);
  }

  /** One sentence for each limit that the task has met. */
  hits(): string[] {
    return this.#uses.flatMap((use) =>
      use.limits.flatMap((name) => {
        const times = name === 'cpu' ? 0 : timesHit(this.#directory(use), use.place.version, name);
        return name !== 'cpu' && times > 0 ? [hitSentence(name, times, this.#limits)] : [];
      }),
    );
  }

  /** Removes it. False when something in it cannot be ended, or it may not be removed. */
  async remove(): Promise<boolean> {
    const end = Date.now() + removalPatienceMs;
    for (let wait = 1; ; wait = Math.min(wait * 2, 100)) {
      if (this.directories.map(removed).every(Boolean)) return true;
      if (Date.now() >= end) return false;
      this.kill();
      await delay(wait);
    }
  }

  #directory({ place }: CgroupUse): string {
    return join(place.path, this.#name);
  }
}

/** A cgroup and those below it, the deepest first. */
function subtree(directory: string | undefined): string[] {
  if (directory === undefined) return [];
  try {
    const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...below.flatMap(({ name }) => subtree(join(directory, name))), directory];
  } catch {
    return [];
  }
}

function readProcs(directory: string): number[] {
  try {
    return readFileSync(join(directory, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function removed(directory: string): boolean {
  for (const each of subtree(directory)) {
    try {
      rmdirSync(each);
    } catch (error: unknown) {
      if (codeOf(error) !== 'ENOENT') return false;
    }
  }
  return true;
}

/** False when this kernel has no such file, or refuses. */
function tryWrite(file: string, text: string): boolean {
  if (!existsSync(file)) return false;
  try {
    writeFileSync(file, text);
    return true;
  } catch {
    return false;
  }
}

function freeze(directory: string, stop: boolean): boolean {
  if (tryWrite(join(directory, 'cgroup.freeze'), stop ? '1' : '0')) return true;
  return tryWrite(join(directory, 'freezer.state'), stop ? 'FROZEN' : 'THAWED');
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone meanwhile, or not ours to kill: whoever removes the cgroup sees it.
  }
}
