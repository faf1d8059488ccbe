import { openSync, write } from 'node:fs';
import { join } from 'node:path';
import { findCgroupPlaces } from './cgroup-layout.ts';

/** Within this time after a move the next one does not wait, milliseconds: the least that was seen is 15. */
const warmMs = 10;

/**
 * Makes the next process enter its cgroup without a wait. The kernel holds up a move for a grace period of RCU, 5 to 20 milliseconds,
 * unless there was a move within the last one. So this process is moved to where it is, while other things are still to be done.
 */
export class CgroupWarmUp {
  readonly #fd: number | undefined;
  #isMoving = false;
  #movedMs = -Infinity;

  constructor() {
    this.#fd = openOwnProcs();
  }

  /** Resolves with true when this process was moved; false where that is not needed yet, or not possible. Never rejects. */
  begin(): Promise<boolean> {
    const fd = this.#fd;
    if (fd === undefined || this.#isMoving || performance.now() - this.#movedMs < warmMs) return Promise.resolve(false);
    this.#isMoving = true;
    return new Promise((resolve) => {
      write(fd, '0', null, (error) => {
        this.#isMoving = false;
        this.#movedMs = performance.now();
        resolve(!error);
      });
    });
  }
}

/** Stays open as long as this process. Undefined where it may not be written. */
function openOwnProcs(): number | undefined {
  const [own] = findCgroupPlaces();
  try {
    return own && openSync(join(own.path, 'cgroup.procs'), 'w');
  } catch {
    return undefined;
  }
}
