import { randomBytes } from 'node:crypto';
import { link, lstat, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../lib/index.ts';
import { ensurePrivate, type Owner } from './directories.ts';
import type { Lease } from './leases.ts';
import { homeName, internalName, mirrorName } from './names.ts';
import type { TaskHoldings } from './task-holdings.ts';

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
  /** Writes a file into `private`, mode 0600, unless an earlier process has. Returns its path. */
  writePrivate(name: string, content: string): Promise<string>;
  /** Removes what belongs to the task alone and gives back the rest. Safe to call twice. */
  close(): Promise<void>;
}

export interface TaskWorkspaceOptions {
  project: string;
  /** The private directory, which is there. */
  path: string;
  holdings: TaskHoldings;
  /** User that the tools run as, when it is not our own. */
  owner: Owner | undefined;
  /** An earlier process began the task. */
  resumed: boolean;
  /** Notes that a directory is used. */
  stamp: (path: string) => void;
}

/** The directories of an opened task. */
export function taskWorkspace(options: TaskWorkspaceOptions): TaskWorkspace {
  const { holdings, owner, path, project, resumed, stamp } = options;
  const use = (lease: Lease): string => {
    stamp(lease.path);
    return lease.path;
  };
  return {
    project,
    private: path,
    takeCheckout: (name) => use(holdings.take(name)),
    shareMirror: (repositoryId, url) => use(holdings.share(mirrorName(repositoryId, url))),
    takeHome: async (repositoryId, templateId) => {
      const name = homeName(repositoryId, templateId);
      const home = use(holdings.take(name));
      // What is noted about a home goes with that home: the same number behind the name.
      const number = home.slice(join(project, name).length);
      const internal = use(holdings.share(internalName(repositoryId, templateId) + number));
      ensurePrivate(home, owner);
      ensurePrivate(internal, owner);
      return { home, internal };
    },
    shareProjectHome: () => void use(holdings.share('.')),
    writePrivate: async (name, content) => {
      const file = join(path, name);
      const isThere = resumed && (await lstat(file).catch(() => undefined)) !== undefined;
      if (!isThere) await writeWhole(file, content, owner);
      return file;
    },
    close: async () => {
      try {
        await removeTree(path, project);
      } finally {
        for (const held of holdings.paths()) stamp(held);
        holdings.release();
      }
    },
  };
}

/** Whoever sees the file sees all of it, and its owner's name on it. */
async function writeWhole(path: string, content: string, owner: Owner | undefined): Promise<void> {
  const fresh = `${path}-${randomBytes(4).toString('hex')}`;
  const file = await open(fresh, 'wx', 0o600);
  try {
    await file.writeFile(content);
    if (owner) await file.chown(owner.uid, owner.gid);
  } finally {
    await file.close();
  }
  try {
    // Unlike a renaming this fails where something else is in the way.
    await link(fresh, path);
  } finally {
    await rm(fresh, { force: true });
  }
}
