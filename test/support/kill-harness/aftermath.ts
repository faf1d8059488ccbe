import { readdirSync, readFileSync, type Dirent } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { leftOn } from '../docker-world.ts';
import { processesWith } from '../e2e/survivors.ts';
import type { World } from '../e2e/world.ts';
import { cgroupsOfRunners } from '../survivors.ts';

/** What a task must not leave behind. */
export interface Aftermath {
  /** Processes with their command lines, cgroups, containers and volumes. */
  survivors: string[];
  /** Job directories, private directories of tasks, pipes, half removed things. */
  files: string[];
  /** Files in which a secret can be read. */
  secrets: string[];
}

export const nothing: Aftermath = { survivors: [], files: [], secrets: [] };

/** How long a runner may take to tidy up after the last acknowledgement, milliseconds. */
const patienceMs = 15_000;
/** Between two looks, milliseconds: a look at all processes is not cheap. */
const lookMs = 60;

/** Waits until nothing is left, or for a while, and tells what is. */
export async function aftermathOf(world: World, secrets: readonly string[]): Promise<Aftermath> {
  const end = Date.now() + patienceMs;
  const atLast = async (look: () => string[]): Promise<string[]> => {
    for (;;) {
      const found = look();
      if (found.length === 0 || Date.now() > end) return found;
      await delay(lookMs);
    }
  };
  const work = join(world.directory, 'work');
  const files = await atLast(() => entriesBelow(work).filter(isLeftover).map(pathOf));
  const survivors = await atLast(() => processesWith(world.mark).map((pid) => `${pid} ${commandOf(pid)}`));
  const cgroups = await atLast(() => cgroupsOfRunners(work));
  const containers = await atLast(() => leftOn(world));
  const readable = [...entriesBelow(work), ...agentPlaces()].filter((entry) => entry.isFile()).map(pathOf);
  return {
    survivors: [...survivors, ...cgroups, ...containers],
    files,
    secrets: readable.filter((path) => contains(path, secrets)),
  };
}

function entriesBelow(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true });
  } catch {
    return []; // Something vanished while it was read: the next look sees the rest.
  }
}

/** Directories for sockets whose path would be too long elsewhere. */
function agentPlaces(): Dirent[] {
  return readdirSync(tmpdir())
    .filter((name) => name.startsWith('agent-'))
    .flatMap((name) => entriesBelow(join(tmpdir(), name)));
}

function isLeftover(entry: Dirent): boolean {
  const path = pathOf(entry);
  if (entry.isFIFO()) return true;
  if (entry.isSocket() && !entry.name.startsWith('.owner-')) return true;
  if (/\/(project_\d+\/task_[^/]+|jobs\/[^/]+)$/.test(path)) return true;
  return entry.name.startsWith('.removing-') || entry.name.endsWith('.tmp');
}

function pathOf(entry: Dirent): string {
  return join(entry.parentPath, entry.name);
}

function contains(path: string, secrets: readonly string[]): boolean {
  try {
    const bytes = readFileSync(path);
    return secrets.some((secret) => bytes.includes(secret));
  } catch {
    return false; // Removed meanwhile.
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '(gone)';
  }
}
