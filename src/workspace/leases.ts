/**
 * Who uses which directory, in the memory of this process. A directory is held by one task alone (a working tree), by
 * several together (a mirror), or by nobody; only the last may be removed.
 */
export class Leases {
  readonly #alone = new Set<string>();
  readonly #shared = new Map<string, number>();

  /**
   * Takes `path` alone, or the first free of its siblings `path_2`, `path_3`, …: two tasks of one template that run at the
   * same time get a working tree each, and the second finds its own again the next time.
   */
  take(path: string): Lease {
    let taken = path;
    for (let number = 2; this.isHeld(taken); number += 1) taken = `${path}_${number}`;
    this.#alone.add(taken);
    return new Lease(taken, () => this.#alone.delete(taken));
  }

  /** Takes `path` itself, whoever has it: an earlier process gave it to the task that now goes on. */
  retake(path: string): Lease {
    this.#alone.add(path);
    return new Lease(path, () => this.#alone.delete(path));
  }

  /** Holds `path` together with others. */
  share(path: string): Lease {
    this.#shared.set(path, (this.#shared.get(path) ?? 0) + 1);
    return new Lease(path, () => {
      const left = (this.#shared.get(path) ?? 1) - 1;
      if (left > 0) this.#shared.set(path, left);
      else this.#shared.delete(path);
    });
  }

  isHeld(path: string): boolean {
    return this.#alone.has(path) || this.#shared.has(path);
  }
}

/** The right to use a directory until `release`; releasing twice is the same as once. */
export class Lease {
  readonly path: string;
  #release: (() => void) | undefined;

  constructor(path: string, release: () => void) {
    this.path = path;
    this.#release = release;
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }
}
