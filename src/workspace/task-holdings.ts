import { basename, join } from 'node:path';
import { addLeaseNote, readLeaseNotes, type LeaseNote } from './lease-notes.ts';
import type { Lease, Leases } from './leases.ts';

interface Held extends LeaseNote {
  lease: Lease;
  /** Held by the process before this one, and not yet asked for again. */
  isReserved: boolean;
}

/** What one task holds, also across runners: what an earlier one gave it, it gets again. */
export class TaskHoldings {
  readonly #leases: Leases;
  readonly #project: string;
  readonly #private: string;
  readonly #own: Lease;
  #held: Held[];

  private constructor(leases: Leases, project: string, privateDirectory: string, notes: readonly LeaseNote[]) {
    this.#leases = leases;
    this.#project = project;
    this.#private = privateDirectory;
    this.#own = leases.share(privateDirectory);
    this.#held = notes.map((note) => {
      const path = join(project, note.name);
      const lease = note.kind === 'alone' ? leases.retake(path) : leases.share(path);
      return { ...note, lease, isReserved: true };
    });
  }

  static empty(leases: Leases, project: string, privateDirectory: string): TaskHoldings {
    return new TaskHoldings(leases, project, privateDirectory, []);
  }

  /** Holds at once what the task held in the process before. */
  static again(leases: Leases, project: string, privateDirectory: string): TaskHoldings {
    return new TaskHoldings(leases, project, privateDirectory, readLeaseNotes(privateDirectory));
  }

  /** Takes `name` in the project directory alone, or a sibling of it; the one that the task had, if it had one. */
  take(name: string): Lease {
    const had = this.#held.find(
      (held) =>
        held.isReserved &&
        held.kind === 'alone' &&
        held.name.startsWith(name) &&
        /^(_\d+)?$/.test(held.name.slice(name.length)),
    );
    if (!had) return this.#keep('alone', this.#leases.take(join(this.#project, name)));
    had.isReserved = false;
    return had.lease;
  }

  /** Holds `name`, or the project directory itself, together with others. */
  share(name: string): Lease {
    return this.#keep('shared', this.#leases.share(join(this.#project, name)));
  }

  /** The paths that are held, but for the private directory. */
  paths(): string[] {
    return this.#held.map(({ lease }) => lease.path);
  }

  release(): void {
    for (const { lease } of this.#held) lease.release();
    this.#held = [];
    this.#own.release();
  }

  #keep(kind: LeaseNote['kind'], lease: Lease): Lease {
    const name = lease.path === this.#project ? '.' : basename(lease.path);
    const isNoted = this.#held.some((held) => held.kind === kind && held.name === name);
    this.#held.push({ kind, name, lease, isReserved: false });
    if (!isNoted) addLeaseNote(this.#private, { kind, name });
    return lease;
  }
}
