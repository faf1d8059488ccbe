import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** The place of this process in one cgroup hierarchy. */
export interface CgroupPlace {
  version: 1 | 2;
  /** What can be limited there; for version 2 what this place may hand on. */
  controllers: readonly string[];
  /** Directory in which cgroups of tasks are made. */
  path: string;
}

/**
 * Name of the cgroup a runner is in while its tasks are in cgroups beside it: version 2 has no limits below a cgroup that
 * has processes itself. The systemd unit may name it too (`DelegateSubgroup=`).
 */
export const runnerLeaf = 'semaphore-runner';

interface Mount {
  version: 1 | 2;
  /** Which cgroup of the hierarchy is mounted. */
  root: string;
  point: string;
  options: readonly string[];
}

/** Where this process may look for cgroups, version 2 first; empty where there are none. */
export function findCgroupPlaces(): CgroupPlace[] {
  try {
    const places = placesFrom(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync('/proc/self/cgroup', 'utf8'));
    return places.map((place) => (place.version === 2 ? withControllers(place) : place));
  } catch {
    return [];
  }
}

/** The same from the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`; version 2 without its controllers. */
export function placesFrom(mountInfo: string, ownCgroups: string): CgroupPlace[] {
  const mounts = mountInfo.split('\n').flatMap((line) => mountOf(line) ?? []);
  const places = ownCgroups.split('\n').flatMap((line): CgroupPlace[] => {
    const [, names, own] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (names === undefined || own === undefined) return [];
    const controllers = names.split(',').filter(Boolean);
    const mount = mounts.find((each) =>
      names === ''
        ? each.version === 2
        : each.version === 1 && controllers.every((name) => each.options.includes(name)),
    );
    const path = mount && pathOf(mount, own);
    return path === undefined ? [] : [{ version: names === '' ? 2 : 1, controllers, path }];
  });
  return places.toSorted((a, b) => b.version - a.version);
}

function mountOf(line: string): Mount | undefined {
  const [before, after] = line.split(' - ');
  const [, , , root, point] = before?.split(' ') ?? [];
  const [type, , options] = after?.split(' ') ?? [];
  if (root === undefined || point === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return undefined;
  return {
    version: type === 'cgroup2' ? 2 : 1,
    root: unescaped(root),
    point: unescaped(point),
    options: options?.split(',') ?? [],
  };
}

/** `mountinfo` writes blanks as `\040`. */
function unescaped(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_, digits: string) => String.fromCodePoint(Number.parseInt(digits, 8)));
}

function pathOf({ root, point }: Mount, own: string): string | undefined {
  // Outside of what this namespace shows, or of what is mounted: not ours to use.
  if (own.startsWith('/..')) return undefined;
  if (root === '/') return join(point, own);
  return own === root || own.startsWith(`${root}/`) ? join(point, own.slice(root.length)) : undefined;
}

function withControllers(place: CgroupPlace): CgroupPlace {
  const path = basename(place.path) === runnerLeaf ? dirname(place.path) : place.path;
  const file = join(path, 'cgroup.controllers');
  const controllers = existsSync(file) ? readFileSync(file, 'latin1').split(/\s+/).filter(Boolean) : [];
  return { version: 2, path, controllers };
}
