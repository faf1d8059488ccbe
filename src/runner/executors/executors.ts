import type { ExecutorKind, ExecutorProvider } from './types.ts';

/** Makes the provider of a kind. */
export type MakeProvider = (kind: ExecutorKind) => ExecutorProvider;

/**
 * The providers of this runner: the one that its configuration names, for new tasks, and others for tasks that were begun when it
 * named another.
 */
export class Executors {
  readonly #make: MakeProvider;
  readonly #made = new Map<ExecutorKind, ExecutorProvider>();
  readonly chosen: ExecutorProvider;

  constructor(kind: ExecutorKind, make: MakeProvider) {
    this.#make = make;
    this.chosen = this.of(kind);
  }

  of(kind: ExecutorKind): ExecutorProvider {
    const made = this.#made.get(kind) ?? this.#make(kind);
    this.#made.set(kind, made);
    return made;
  }

  /** Looks whether the chosen one works, and removes what an earlier runner has left. Never rejects. */
  async start(): Promise<void> {
    await this.chosen.start();
    await Promise.all([...this.#made.values()].map((each) => each.sweep()));
  }

  close(): void {
    for (const each of this.#made.values()) each.close();
  }
}
