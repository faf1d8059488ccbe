export interface SecretRegistryOptions {
  /** Shorter values are not collected: masking `1` or `no` would shred the log. In characters. */
  minLength: number;
}

/** The armour of a PEM block and what OpenSSH and PuTTY write around a key: the same in everybody's key, so no secret. */
const publicLine = /^-----(BEGIN|END) [A-Z0-9 ]+-----$/;

/**
 * Everything a task brought that must not be shown. Collecting only: who prints masks what is in here. A value of several
 * lines (a private key) counts as a whole and line by line, because tools print lines.
 */
export class SecretRegistry {
  readonly #minLength: number;
  readonly #values = new Set<string>();
  readonly #listeners = new Set<(value: string) => void>();
  #tooShort = 0;

  constructor(options: SecretRegistryOptions) {
    this.#minLength = options.minLength;
  }

  /** Collects `value`; empty and known values change nothing. */
  add(value: string): void {
    if (value.trim() === '') return;
    const lines = value.split(/\r\n|\r|\n/).map((line) => line.trim());
    const parts = lines.filter((line) => line !== '' && !publicLine.test(line));
    let kept = this.#keep(value);
    if (lines.length > 1) for (const part of parts) kept = this.#keep(part) || kept;
    if (!kept) this.#tooShort += 1;
  }

  /** What was collected, in the order it came. */
  values(): string[] {
    return [...this.#values];
  }

  /** Number of values collected. */
  get size(): number {
    return this.#values.size;
  }

  /** How often a value was given that is too short to be collected; worth one warning. */
  get tooShort(): number {
    return this.#tooShort;
  }

  /** Calls `listener` for each value that is collected from now on; returns the way to stop that. */
  onAdd(listener: (value: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #keep(value: string): boolean {
    if (value.length < this.#minLength) return false;
    if (this.#values.has(value)) return true;
    this.#values.add(value);
    for (const listener of this.#listeners) listener(value);
    return true;
  }
}
