import { existsSync, readdirSync, renameSync, utimesSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf, messageOf, removeTree, systemClock, UserError, type Clock } from '../lib/index.ts';
import { chooseUnneeded, isNeeded, keptIn, namesIn, type CleanUpLimits } from './clean-up.ts';
import { ensurePrivate, ensureRoot, type Owner } from './directories.ts';
import { Leases } from './leases.ts';
import { projectName, taskName } from './names.ts';
import { Presence } from './presence.ts';
import { TaskHoldings } from './task-holdings.ts';
import { taskWorkspace, type TaskWorkspace } from './task-workspace.ts';

export interface WorkspaceOptions {
  /** `tmp_path`, absolute. */
  root: string;
  clock?: Clock;
}

export interface ClearResult {
  removed: string[];
  failed: { path: string; message: string }[];
}

/** A name that marks what is being removed; nobody looks for a file of this name. */
const doomedPrefix = '.removing-';

/** Names we give inside a project directory; anything else there was put by tools whose home it is. */
const ourNames = /^(repository_\d+_template_\d+_|mirror_\d+_|task_\d+$|\.removing-)/;

/** In a task's private directory: which process the task belongs to. */
const markName = '.owner';

/**
 * What nobody answers for is taken for abandoned after this time: when its process was on another machine, and when there is
 * no mark, which a living process writes at once.
 */
const abandonedAfterMs = { unknown: 7 * 24 * 3_600_000, unmarked: 10 * 60_000 };

/** The directories below `tmp_path` and who uses them. One per process. */
export class Workspace {
  readonly root: string;
  readonly #leases = new Leases();
  readonly #presence: Presence;
  readonly #clock: Clock;
  /** What tasks hold that an earlier process began and this one has not yet opened, by their private directories. */
  readonly #reserved = new Map<string, TaskHoldings>();
  #doomed = 0;

  constructor(options: WorkspaceOptions) {
    this.root = options.root;
    this.#presence = new Presence(options.root);
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Holds for a task that an earlier process began what that process had given it, from now until the task is opened and closed
   * again; so it is called before any other task starts. Safe to call twice.
   */
  reserve(projectId: number, taskId: number): void {
    this.#reserve(join(this.root, projectName(projectId)), taskId);
  }

  /**
   * Makes the directories of a task, for `owner` when its tools run as another user. What an earlier process left of a task
   * of the same id is removed first; or it is kept, when this process goes on with that task (`resumed`). Throws UserError when
   * the work root cannot be made, or another runner that is at work there has a task of this id.
   */
  async openTask(
    projectId: number,
    taskId: number,
    owner?: Owner,
    { resumed = false }: { resumed?: boolean } = {},
  ): Promise<TaskWorkspace> {
    const project = join(this.root, projectName(projectId));
    const path = join(project, taskName(taskId));
    const holdings = resumed ? this.#reserve(project, taskId) : TaskHoldings.empty(this.#leases, project, path);
    this.#reserved.delete(path);
    try {
      ensureRoot(this.root, owner);
      ensurePrivate(project, owner, { follow: true });
      await this.#openPrivate(path, project, owner, resumed);
    } catch (error: unknown) {
      holdings.release();
      throw error;
    }
    return taskWorkspace({ project, path, holdings, owner, resumed, stamp: (used) => this.#stamp(used) });
  }

  /**
   * Removes the project directories (`clear_cache`; of one project when its id is given), except what a running task uses.
   * Nothing else below `tmp_path` is touched: the runner's own state may be there. What cannot be removed is reported,
   * and does not keep the rest.
   */
  async clear(projectId?: number): Promise<ClearResult> {
    const result: ClearResult = { removed: [], failed: [] };
    const projects = projectId === undefined ? await this.#projects() : [join(this.root, projectName(projectId))];
    for (const project of projects) {
      if (await this.#isUsedByOthers(project)) {
        result.failed.push({ path: project, message: 'another runner has a task in it' });
      } else {
        for (const path of await this.#unused(project)) await this.#removeInto(result, [path]);
      }
    }
    return result;
  }

  /**
   * Removes what an earlier process left of its tasks when it ended in the middle: private directories with inventories and
   * sockets, and what was being removed. Tasks of runners that are still at work in the same root are left alone, and so are
   * the tasks with the ids of `spare`, which this process goes on with: what they hold is reserved for them before this returns.
   */
  async sweep({ spare }: { spare?: ReadonlySet<number> } = {}): Promise<ClearResult> {
    if (spare && spare.size > 0) this.#reserveAll(spare);
    const result: ClearResult = { removed: [], failed: [] };
    for (const project of await this.#projects()) {
      for (const name of await namesIn(project)) {
        const path = join(project, name);
        const isLeft = name.startsWith(doomedPrefix) || (/^task_\d+$/.test(name) && (await this.#isAbandoned(path)));
        if (isLeft) await this.#removeInto(result, [path]);
      }
    }
    await this.#presence.removeDead();
    return result;
  }

  /** Removes what an earlier process left of a task that was reserved and is ended instead of gone on with, and gives back the rest. */
  async abandon(taskId: number): Promise<void> {
    for (const [path, holdings] of this.#reserved) {
      if (basename(path) !== taskName(taskId)) continue;
      this.#reserved.delete(path);
      try {
        await removeTree(path, dirname(path));
      } finally {
        holdings.release();
      }
    }
  }

  /**
   * Removes checkouts, mirrors and homes that no task has used for a while, and of the others the least recently used until
   * what is left fits. Projects in which another runner has a task are left alone.
   */
  async cleanUp(limits: CleanUpLimits): Promise<ClearResult> {
    const result: ClearResult = { removed: [], failed: [] };
    const others = new Set<string>();
    const projects = await this.#projects();
    for (const project of projects) if (await this.#isUsedByOthers(project)) others.add(project);
    const kept = await Promise.all(projects.map((project) => keptIn(project, limits.maxBytes !== undefined)));
    const isFree = ({ paths }: { paths: readonly string[] }): boolean =>
      paths.every((path) => !others.has(dirname(path)) && !this.#leases.isHeld(path));
    for (const entry of chooseUnneeded(kept.flat(), limits, this.#clock.now(), isFree)) {
      if (!isNeeded(entry) && isFree(entry)) await this.#removeInto(result, entry.paths);
    }
    return result;
  }

  /** Tells other runners that this one is gone. */
  async close(): Promise<void> {
    await this.#presence.close();
  }

  /** Synchronous: nobody else may come in between. */
  #reserveAll(taskIds: ReadonlySet<number>): void {
    const inside = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
    for (const project of inside(this.root).filter((name) => /^project_\d+$/.test(name))) {
      const names = inside(join(this.root, project));
      for (const id of taskIds) if (names.includes(taskName(id))) this.#reserve(join(this.root, project), id);
    }
  }

  #reserve(project: string, taskId: number): TaskHoldings {
    const path = join(project, taskName(taskId));
    const known = this.#reserved.get(path);
    if (known) return known;
    const holdings = TaskHoldings.again(this.#leases, project, path);
    this.#reserved.set(path, holdings);
    return holdings;
  }

  async #openPrivate(path: string, project: string, owner: Owner | undefined, resumed: boolean): Promise<void> {
    if ((await this.#presence.lifeOf(join(path, markName))) === 'alive') {
      throw new UserError(`another runner has a task in ${path}`, {
        hint: 'Give runners of different servers a tmp_path each.',
      });
    }
    if (!resumed) await removeTree(path, project);
    ensurePrivate(path, owner);
    await this.#presence.mark(join(path, markName));
  }

  async #projects(): Promise<string[]> {
    const names = await namesIn(this.root);
    return names.filter((name) => /^project_\d+$/.test(name)).map((name) => join(this.root, name));
  }

  async #isUsedByOthers(project: string): Promise<boolean> {
    const tasks = (await namesIn(project)).filter((name) => /^task_\d+$/.test(name));
    for (const name of tasks) {
      const path = join(project, name);
      if (!this.#leases.isHeld(path) && !(await this.#isAbandoned(path))) return true;
    }
    return false;
  }

  /** True when no process works on the task any more. */
  async #isAbandoned(path: string): Promise<boolean> {
    if (this.#leases.isHeld(path)) return false;
    const life = await this.#presence.lifeOf(join(path, markName));
    if (life === 'alive') return false;
    if (life === 'dead' || life === 'own') return true;
    const found = await lstat(path).catch(() => undefined);
    const limit = life === undefined ? abandonedAfterMs.unmarked : abandonedAfterMs.unknown;
    return found !== undefined && this.#clock.now() - found.mtimeMs > limit;
  }

  /** Notes when a directory was last used; one that is only to be made has nothing to note. */
  #stamp(path: string): void {
    const now = new Date(this.#clock.now());
    try {
      utimesSync(path, now, now);
    } catch {
      // Not made yet, or somebody else's: the stamp is for the clean-up only, and no reason to fail a task.
    }
  }

  async #removeInto(result: ClearResult, paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      try {
        if (await this.#remove(path, dirname(path))) result.removed.push(path);
      } catch (error: unknown) {
        result.failed.push({ path, message: messageOf(error) });
        return;
      }
    }
  }

  async #unused(project: string): Promise<string[]> {
    const names = await namesIn(project);
    const isHome = this.#leases.isHeld(project);
    return names.filter((name) => !isHome || ourNames.test(name)).map((name) => join(project, name));
  }

  async #remove(path: string, within: string): Promise<boolean> {
    // Look and rename in one go, so that a task which starts now finds nothing rather than half of it.
    if (this.#leases.isHeld(path)) return false;
    this.#doomed += 1;
    const doomed = join(dirname(path), `${doomedPrefix}${process.pid}-${this.#doomed}`);
    try {
      renameSync(path, doomed);
    } catch (error: unknown) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
    await removeTree(doomed, within);
    return true;
  }
}
