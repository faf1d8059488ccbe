import { fstatSync, watch, type FSWatcher } from 'node:fs';
import type { Clock } from '../lib/index.ts';
import type { TimeMarks } from './time-marks.ts';

/** Least time between two looks at a log that is written all the time, milliseconds. */
const markIntervalMs = 10;

/** The safety net for file systems without change events (some network mounts), milliseconds. */
const pollIntervalMs = 1000;

export interface FollowerOptions {
  path: string;
  fd: number;
  marks: TimeMarks;
  clock: Pick<Clock, 'now'>;
  /** Called whenever the log has grown. */
  onGrowth: () => void;
}

/**
 * Watches a log file grow: notes when it had which size and tells that there is something to read. Reading itself is the
 * cursor's business, so that a fast writer costs a look every few milliseconds and no memory.
 */
export class Follower {
  readonly #options: FollowerOptions;
  #watcher: FSWatcher | undefined;
  #poll: NodeJS.Timeout | undefined;
  #pause: NodeJS.Timeout | undefined;
  #again = false;
  #size = 0;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  start(): void {
    try {
      this.#watcher = watch(this.#options.path, { persistent: false }, () => this.#changed());
      // Too many watches (ENOSPC) or a vanished file: the poll goes on alone.
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      this.#watcher = undefined;
    }
    this.#poll = setInterval(() => this.look(), pollIntervalMs);
    this.#poll.unref();
    this.look();
  }

  stop(): void {
    this.#watcher?.close();
    clearInterval(this.#poll);
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#again = false;
    this.look();
  }

  /** Looks at the size now. */
  look(): void {
    const { size } = fstatSync(this.#options.fd);
    if (size <= this.#size) return;
    this.#size = size;
    this.#options.marks.add(size, this.#options.clock.now());
    this.#options.onGrowth();
  }

  #changed(): void {
    if (this.#pause) {
      this.#again = true;
      return;
    }
    this.look();
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.#changed();
    }, markIntervalMs);
    this.#pause.unref();
  }
}
