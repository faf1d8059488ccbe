import { renameSync } from 'node:fs';
import { chown, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, messageOf, removeTree } from '../lib/index.ts';
import { ensurePrivate, ensureRoot, type Owner } from './directories.ts';
import { type Lease, Leases } from './leases.ts';
import { homeName, internalName, mirrorName, projectName, taskName } from './names.ts';

export interface WorkspaceOptions {
  /** `tmp_path`, absolute. */
  root: string;
}

export interface ClearResult {
  removed: string[];
  failed: { path: string; message: string }[];
}

/** One task's directories. Everything in `private` is removed by `close`, everything else is kept for the next task. */
export interface TaskWorkspace {
  /** `P` of spec 5.4. */
  project: string;
  /** 0700; for inventories, pipes and sockets of this task. */
  private: string;
  /** Takes the checkout of this name, or a sibling of it when another task is in it. */
  takeCheckout(name: string): string;
  /** The mirror of a repository, shared with other tasks. */
  shareMirror(repositoryId: number, url: string): string;
  /** Home of the template's tools and what is noted about it; a sibling when another task of the template is running. */
  takeHome(repositoryId: number, templateId: number): Promise<{ home: string; internal: string }>;
  /** Holds the project directory as home: what tools keep in it stays when the cache is cleared meanwhile. */
  shareProjectHome(): void;
  /** Writes a file into `private`, mode 0600. Returns its path. */
  writePrivate(name: string, content: string): Promise<string>;
  /** Removes what belongs to the task alone and gives back the rest. Safe to call twice. */
  close(): Promise<void>;
}

/** A name that marks what is being removed; nobody looks for a file of this name. */
const doomedPrefix = '.removing-';

/** Names we give inside a project directory; anything else there was put by tools whose home it is. */
const ourNames = /^(repository_\d+_template_\d+_|mirror_\d+_|task_\d+$|\.removing-)/;

/** The directories below `tmp_path` and who uses them. One per process. */
export class Workspace {
  readonly root: string;
  readonly #leases = new Leases();
  #doomed = 0;

  constructor(options: WorkspaceOptions) {
    this.root = options.root;
  }

  /**
   * Makes the directories of a task, for `owner` when its tools run as another user. What an earlier process left of a task
   * of the same id is removed first. Throws UserError when the work root cannot be made.
   */
  async openTask(projectId: number, taskId: number, owner?: Owner): Promise<TaskWorkspace> {
    const project = join(this.root, projectName(projectId));
    await ensureRoot(this.root, owner);
    await ensurePrivate(project, owner);
    const own = this.#leases.share(join(project, taskName(taskId)));
    const leases: Lease[] = [own];
    await removeTree(own.path, project);
    await ensurePrivate(own.path, owner);
    const keep = (lease: Lease): string => {
      leases.push(lease);
      return lease.path;
    };
    return {
      project,
      private: own.path,
      takeCheckout: (name) => keep(this.#leases.take(join(project, name))),
      shareMirror: (repositoryId, url) => keep(this.#leases.share(join(project, mirrorName(repositoryId, url)))),
      takeHome: async (repositoryId, templateId) => {
        const home = keep(this.#leases.take(join(project, homeName(repositoryId, templateId))));
        // What is noted about a home goes with that home: the same number behind the name.
        const number = home.slice(join(project, homeName(repositoryId, templateId)).length);
        const internal = keep(this.#leases.share(join(project, internalName(repositoryId, templateId) + number)));
        await ensurePrivate(home, owner);
        await ensurePrivate(internal, owner);
        return { home, internal };
      },
      shareProjectHome: () => void keep(this.#leases.share(project)),
      writePrivate: async (name, content) => {
        const path = join(own.path, name);
        await writeFile(path, content, { mode: 0o600, flag: 'wx' });
        if (owner) await chown(path, owner.uid, owner.gid);
        return path;
      },
      close: async () => {
        try {
          await removeTree(own.path, project);
        } finally {
          for (const lease of leases) lease.release();
        }
      },
    };
  }

  /**
   * Removes the project directories (`clear_cache`; of one project when its id is given), except what a running task uses.
   * Nothing else below `tmp_path` is touched: the runner's own state may be there. What cannot be removed is reported,
   * and does not keep the rest.
   */
  async clear(projectId?: number): Promise<ClearResult> {
    const result: ClearResult = { removed: [], failed: [] };
    const projects =
      projectId === undefined
        ? (await namesIn(this.root)).filter((name) => /^project_\d+$/.test(name))
        : [projectName(projectId)];
    for (const name of projects) {
      const project = join(this.root, name);
      for (const path of await this.#unused(project)) {
        try {
          if (await this.#remove(path, project)) result.removed.push(path);
        } catch (error: unknown) {
          result.failed.push({ path, message: messageOf(error) });
        }
      }
    }
    return result;
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

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
