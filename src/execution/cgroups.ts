import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskLimits } from '../config/index.ts';
import { codeOf, messageOf } from '../lib/index.ts';
import { handOn } from './cgroup-delegation.ts';
import { findCgroupPlaces, type CgroupPlace } from './cgroup-layout.ts';
import { controllerOf, setLimits } from './cgroup-limits.ts';
import { CgroupWarmUp } from './cgroup-warm-up.ts';
import { enterCommand } from './enter-command.ts';
import { TaskCgroup, type CgroupUse } from './task-cgroup.ts';

export interface CgroupsOptions {
  limits: TaskLimits;
  /** Whose cgroups these are, for example the runner's state directory: leftovers of others are left alone. */
  owner: string;
  /** Instead of what the system has. */
  places?: readonly CgroupPlace[];
}

/** Why there are no cgroups, as the end of a sentence, and what could be done. */
export interface NoCgroups {
  reason: string;
  hint: string;
}

const delegateHint =
  'Run as root, or as a systemd service with Delegate=yes; in a container the cgroup file system must be writable. Or remove runner.limits.';

/** An empty cgroup of this age belongs to nobody any more, milliseconds. */
const oldMs = 86_400_000;

/** The cgroups of a runner's tasks. */
export class Cgroups {
  readonly #uses: readonly CgroupUse[];
  readonly #prefix: string;
  readonly #limits: TaskLimits;
  /** Where this process is once the places of the tasks are divided from its own. */
  readonly #warmUp = new CgroupWarmUp();

  private constructor(uses: readonly CgroupUse[], options: CgroupsOptions) {
    this.#uses = uses;
    this.#prefix = `semaphore-${createHash('sha256').update(options.owner).digest('hex').slice(0, 8)}-`;
    this.#limits = options.limits;
  }

  /** Finds out what is possible here, by doing it once. Never rejects. */
  static async open(options: CgroupsOptions): Promise<Cgroups | NoCgroups> {
    const places = options.places ?? findCgroupPlaces();
    if (places.length === 0) return { reason: 'no cgroup file system is mounted', hint: delegateHint };
    const uses = planUses(places, options.limits);
    if (!Array.isArray(uses)) return uses;
    const cgroups = new Cgroups(uses, options);
    const problem = await tryOut(cgroups.task(`probe-${randomBytes(6).toString('hex')}`));
    return problem ?? cgroups;
  }

  /** The cgroup of the task with `tag`, whether it is there or not. */
  task(tag: string): TaskCgroup {
    return new TaskCgroup({
      uses: this.#uses,
      name: `${this.#prefix}${tag}`,
      limits: this.#limits,
      warmUp: this.#warmUp,
    });
  }

  /**
   * Ends and removes what earlier runners of the same owner left, but for the tasks with the tags of `keep`. Returns how many. What
   * others have left is removed when it is old and empty: whoever still needs it makes it again.
   */
  async removeLeftovers(keep: ReadonlySet<string>): Promise<number> {
    const names = new Set(this.#uses.flatMap(({ place }) => namesIn(place.path)));
    const tags = [...names]
      .filter((name) => name.startsWith(this.#prefix))
      .map((name) => name.slice(this.#prefix.length));
    const left = tags.filter((tag) => !keep.has(tag));
    for (const { place } of this.#uses) removeOldOnes(place.path);
    const removals = await Promise.all(left.map((tag) => this.task(tag).remove()));
    return removals.filter(Boolean).length;
  }
}

/** Which hierarchies to use for what: version 2 wherever it can, version 1 for what that does not have. */
function planUses(places: readonly CgroupPlace[], limits: TaskLimits): CgroupUse[] | NoCgroups {
  const wanted = setLimits(limits);
  const unified = places.find(({ version }) => version === 2);
  const placeFor = (name: keyof TaskLimits): CgroupPlace | undefined => {
    const has = ({ controllers }: CgroupPlace): boolean => controllers.includes(controllerOf[name]);
    return unified && has(unified) ? unified : places.find((place) => place.version === 1 && has(place));
  };
  const missing = wanted.find((name) => placeFor(name) === undefined);
  if (missing !== undefined) {
    const where = unified ? ` for ${unified.path}` : '';
    return { reason: `the ${controllerOf[missing]} controller is not available${where}`, hint: delegateHint };
  }
  const tracking = unified ?? places.find(({ controllers }) => controllers.includes('freezer')) ?? places[0];
  const used = new Set([tracking, ...wanted.map(placeFor)].filter((place) => place !== undefined));
  const uses = [...used].map((place) => ({ place, limits: wanted.filter((name) => placeFor(name) === place) }));
  const problem = unified && handOnProblem(unified.path, uses.find(({ place }) => place === unified)?.limits ?? []);
  return problem ?? uses;
}

function handOnProblem(path: string, limits: readonly (keyof TaskLimits)[]): NoCgroups | undefined {
  if (limits.length === 0) return undefined;
  try {
    handOn(
      path,
      limits.map((name) => controllerOf[name]),
    );
    return undefined;
  } catch (error: unknown) {
    const reason =
      codeOf(error) === 'EBUSY'
        ? `there are other processes in ${path}, which only a cgroup of the runner's own could limit`
        : `${path} cannot be divided: ${messageOf(error)}`;
    return { reason, hint: delegateHint };
  }
}

/** Has a process enter a cgroup and end; what goes wrong with that, or undefined. */
async function tryOut(cgroup: TaskCgroup): Promise<NoCgroups | undefined> {
  let entrances: number[] = [];
  try {
    cgroup.make();
    entrances = cgroup.openEntrances();
    const child = spawn('/bin/sh', ['-c', `${enterCommand(entrances.length, 'exit 1')}exit 0`], {
      cwd: '/',
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ignore', 'ignore', ...entrances],
    });
    const [code] = await once(child, 'exit');
    if (code === 0) return undefined;
    const reason = `a process cannot enter ${cgroup.directories.join(', ')}, or not even a shell can run within the limits`;
    return { reason, hint: delegateHint };
  } catch (error: unknown) {
    return { reason: messageOf(error), hint: delegateHint };
  } finally {
    for (const fd of entrances) closeSync(fd);
    await cgroup.remove();
  }
}

function removeOldOnes(path: string): void {
  for (const name of namesIn(path).filter((each) => /^semaphore-[\da-f]{8}-/.test(each))) {
    try {
      if (Date.now() - statSync(join(path, name)).mtimeMs > oldMs) rmdirSync(join(path, name));
    } catch {
      // In use, or gone meanwhile.
    }
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
