import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from '../../lib/index.ts';
import { type CommandTransport } from '../shell-session/index.ts';
import { quoteWord } from '../host-executor/quote-word.ts';
import { ownerOf } from './project-name.ts';

/** How often the directory of a job shows that the agent lives, milliseconds. */
const signOfLifeMs = 30_000;
/** After so long without one, the agent of another container counts as dead, milliseconds. */
const maxSilenceMs = 15 * 60_000;

/**
 * What a job of docker compose has on this host: a private directory with the files for compose, and in it one that the first container
 * sees under the same path, read-only. For all that the container may run as any user, what is in there may be read by all; nobody
 * of this host but the agent's user gets that far.
 */
export class ComposeDirectory {
  readonly path: string;
  /** What the container sees. */
  readonly shared: string;
  readonly #timer: NodeJS.Timeout;
  #count = 0;

  /** `project`: its name is that of the project, so that it tells whose it is. Throws the system's error. */
  constructor(project: string) {
    this.path = join(tmpdir(), project);
    this.shared = join(this.path, 'shared');
    mkdirSync(this.path, { mode: 0o700 });
    mkdirSync(this.shared);
    chmodSync(this.shared, 0o755);
    this.#timer = setInterval(() => this.#live(), signOfLifeMs);
    this.#timer.unref();
  }

  /** A file for compose; returns its path. Throws the system's error. */
  writePrivate(name: string, text: string): string {
    const path = join(this.path, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** A file that the container sees; returns its path, a new one each time. Throws the system's error. */
  writeShared(kind: string, content: Buffer): string {
    this.#count += 1;
    return this.#write(`${kind}-${this.#count}`, content);
  }

  removeShared(path: string): void {
    rmSync(path, { force: true });
  }

  /** Brings the commands of the session into the container. */
  get transport(): CommandTransport {
    return {
      place: (text) => Promise.resolve(quoteWord(this.#write('current-agent-cmd', Buffer.from(text)))),
      remove: () => Promise.resolve(),
    };
  }

  /** Throws the system's error. */
  async remove(): Promise<void> {
    clearInterval(this.#timer);
    await removeTree(this.path, tmpdir());
  }

  #write(name: string, content: Buffer): string {
    const path = join(this.shared, name);
    writeFileSync(path, content);
    chmodSync(path, 0o644);
    return path;
  }

  #live(): void {
    try {
      utimesSync(this.path, new Date(), new Date());
    } catch {
      // Somebody has cleared the temporary directory: the job will see.
    }
  }
}

/** Whether a project was left by an agent that is dead, also one in another container that shares the temporary directory. */
export function isAbandoned(project: string, now: number): boolean {
  const owner = ownerOf(project);
  if (owner !== 'foreign') return owner === 'dead';
  const seen = statSync(join(tmpdir(), project), { throwIfNoEntry: false })?.mtimeMs;
  return seen !== undefined && now - seen > maxSilenceMs;
}

/** Directories of projects, whoever's they are. */
export function listDirectories(): string[] {
  try {
    return readdirSync(tmpdir()).filter((name) => ownerOf(name) !== undefined);
  } catch {
    return [];
  }
}

/** Removes what a project has left on the disk. Throws the system's error. */
export async function removeDirectory(project: string): Promise<void> {
  await removeTree(join(tmpdir(), project), tmpdir());
}
