import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../lib/index.ts';
import { runnerLeaf } from './cgroup-layout.ts';

/**
 * Lets cgroups below `path` be limited by these controllers (version 2). For that no process may be in `path` itself, unless it is the
 * root of all: this one moves into a cgroup of its own below. Throws the system error, `EBUSY` when there are other processes.
 */
export function handOn(path: string, controllers: readonly string[]): void {
  const file = join(path, 'cgroup.subtree_control');
  const enabled = new Set(readFileSync(file, 'latin1').split(/\s+/));
  const missing = controllers.filter((name) => !enabled.has(name));
  if (missing.length === 0) return;
  const enable = (): void => writeFileSync(file, missing.map((name) => `+${name}`).join(' '));
  try {
    enable();
  } catch (error: unknown) {
    if (codeOf(error) !== 'EBUSY') throw error;
    leave(path);
    enable();
  }
}

/** Moves this process one down. */
function leave(path: string): void {
  const leaf = join(path, runnerLeaf);
  mkdirSync(leaf, { recursive: true });
  writeFileSync(join(leaf, 'cgroup.procs'), '0');
}
