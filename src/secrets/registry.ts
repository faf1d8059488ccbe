import { secretLines, worthMasking } from '../logs/index.ts';

export interface SecretRegistryOptions {
  /** Shorter values are not collected: masking `1` or `no` would shred the log. In characters. */
  minLength: number;
}

/**
 * Everything a task brought that must not be shown. Collecting only: who prints masks what is in here. A value of several
 * lines (a private key) counts as a whole and line by line, because tools print lines.
 */
export class SecretRegistry {
  readonly #minLength: number;
  readonly #values = new Set<string>();
  readonly #listeners = new Set<(value: string) => void>();
  readonly #leftOut = new Set<string>();

  constructor(options: SecretRegistryOptions) {
    this.#minLength = options.minLength;
  }

  /** Collects `value`; empty and known values change nothing. */
  add(value: string): void {
    if (value.trim() === '') return;
    const lines = secretLines(value);
    let kept = this.#keep(value);
    if (/[\r\n]/.test(value.trim())) for (const line of lines) kept = this.#keep(line) || kept;
    if (!kept) this.#leftOut.add(value);
  }

  /** What was collected, in the order it came. */
  values(): string[] {
    return [...this.#values];
  }

  /** Number of values collected. */
  get size(): number {
    return this.#values.size;
  }

  /** Number of values that are too short or too common to be masked; worth one warning. */
  get leftOut(): number {
    return this.#leftOut.size;
  }

  /** Calls `listener` for each value that is collected from now on; returns the way to stop that. */
  onAdd(listener: (value: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #keep(value: string): boolean {
    if (!worthMasking(value, this.#minLength)) return false;
    if (this.#values.has(value)) return true;
    this.#values.add(value);
    for (const listener of this.#listeners) listener(value);
    return true;
  }
}
