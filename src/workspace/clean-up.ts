import { existsSync } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from '../lib/index.ts';
import { diskUsage } from './disk-usage.ts';

/** What may be kept. A limit that is undefined does not count. */
export interface CleanUpLimits {
  maxAgeMs: number | undefined;
  /** Of everything together, bytes on the disk. */
  maxBytes: number | undefined;
}

/** Something that is kept for the next task, and is removed as a whole. */
export interface Kept {
  /** In the order of removal. */
  paths: string[];
  /** Milliseconds since the epoch. */
  usedAt: number;
  /** 0 when nobody asked. */
  bytes: number;
  /** Checkouts that have their objects in this mirror: it goes after them. */
  dependents: string[];
}

const homePattern = /^(repository_\d+_template_\d+)_home(_\d+)?$/;
const internalPattern = /^(repository_\d+_template_\d+)_internal(_\d+)?$/;

/** What a project directory keeps: checkouts, mirrors, homes with what is noted about them. */
export async function keptIn(project: string, withSize: boolean): Promise<Kept[]> {
  const names = (await namesIn(project)).filter((name) => /^(repository_\d+_template_\d+_|mirror_\d+_)/.test(name));
  const units = names.flatMap((name) => unitOf(name, names)).map((unit) => unit.map((name) => join(project, name)));
  const kept = await Promise.all(units.map((paths) => describe(paths, withSize)));
  const mirrors = new Map(kept.map((entry) => [entry.paths[0], entry]));
  for (const { paths, usedAt } of kept) {
    const [path = ''] = paths;
    const mirror = mirrors.get(await mirrorOf(path));
    if (!mirror) continue;
    mirror.dependents.push(path);
    mirror.usedAt = Math.max(mirror.usedAt, usedAt);
  }
  return kept;
}

/** What to remove, least recently used first; `isFree` tells what no task uses. */
export function chooseUnneeded(
  kept: readonly Kept[],
  limits: CleanUpLimits,
  now: number,
  isFree: (entry: Kept) => boolean,
): Kept[] {
  const oldest = kept.toSorted((a, b) => a.usedAt - b.usedAt || a.dependents.length - b.dependents.length);
  const { maxAgeMs, maxBytes } = limits;
  const chosen = new Set<string>();
  const unneeded: Kept[] = [];
  let bytes = kept.reduce((sum, entry) => sum + entry.bytes, 0);
  for (const entry of oldest) {
    const tooOld = maxAgeMs !== undefined && now - entry.usedAt > maxAgeMs;
    const tooMuch = maxBytes !== undefined && bytes > maxBytes;
    if (!tooOld && !tooMuch) continue;
    if (!isFree(entry) || entry.dependents.some((path) => !chosen.has(path))) continue;
    for (const path of entry.paths) chosen.add(path);
    unneeded.push(entry);
    bytes -= entry.bytes;
  }
  return unneeded;
}

/** True while a checkout that needs this mirror is still there, for instance because it could not be removed. */
export function isNeeded({ dependents }: Kept): boolean {
  return dependents.some((path) => existsSync(path));
}

/** A home goes together with the notes about it, and after them: notes without their home would tell what is not there. */
function unitOf(name: string, names: readonly string[]): string[][] {
  const home = homePattern.exec(name);
  const internal = internalPattern.exec(name);
  if (home) return [[`${home[1]}_internal${home[2] ?? ''}`, name].filter((one) => names.includes(one))];
  if (internal) return names.includes(`${internal[1]}_home${internal[2] ?? ''}`) ? [] : [[name]];
  return [[name]];
}

async function describe(paths: string[], withSize: boolean): Promise<Kept> {
  const stamps = await Promise.all(paths.map(usedAtOf));
  const sizes = withSize ? await Promise.all(paths.map((path) => diskUsage(path))) : [];
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { paths, usedAt: Math.max(...stamps), bytes, dependents: [] };
}

/** The workspace stamps a directory's time of change when a task takes it and gives it back. */
async function usedAtOf(path: string): Promise<number> {
  try {
    return (await lstat(path)).mtimeMs;
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** The mirror that holds the objects of a checkout. */
async function mirrorOf(checkout: string): Promise<string | undefined> {
  try {
    const text = await readFile(join(checkout, '.git', 'objects', 'info', 'alternates'), 'utf8');
    return dirname(text.split('\n', 1)[0] ?? '');
  } catch {
    // No checkout, or not one of ours.
    return undefined;
  }
}

/** Entries of a directory; none when it is not there. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
