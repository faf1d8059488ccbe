import type { IdKind, IdRecord, StateRecord } from './records.ts';

/**
 * Which id belongs to which name of the server file. An object keeps its id for as long as its name (or its explicit `id:`)
 * stays, wherever it moves in the file; the id of a name that is gone is not given to another name.
 */
export class IdBook {
  readonly #byName = new Map<string, IdRecord>();
  readonly #byId = new Map<string, IdRecord>();
  readonly #write: (record: StateRecord) => void;
  readonly #highest: Record<string, number>;
  readonly #now: () => string;

  constructor(write: (record: StateRecord) => void, highest: Record<string, number>, now: () => string) {
    this.#write = write;
    this.#highest = highest;
    this.#now = now;
  }

  find(kind: IdKind, scope: number, name: string): number | undefined {
    return this.#byName.get(nameKey(kind, scope, name))?.id;
  }

  /** Who has this id. */
  owner(kind: IdKind, id: number): IdRecord | undefined {
    return this.#byId.get(idKey(kind, id));
  }

  /** The id of a name; a new one is given, and remembered, when it has none. */
  get(kind: IdKind, scope: number, name: string): number {
    return this.find(kind, scope, name) ?? this.claim({ kind, scope, name, id: (this.#highest[kind] ?? 0) + 1 });
  }

  /** Gives this id to this name, whoever had it, and whatever id the name had. */
  claim(wanted: Omit<IdRecord, 'created'>): number {
    if (this.find(wanted.kind, wanted.scope, wanted.name) === wanted.id) return wanted.id;
    const record = { ...wanted, created: this.owner(wanted.kind, wanted.id)?.created ?? this.#now() };
    this.#write({ k: 'id', v: record });
    this.apply(record);
    return record.id;
  }

  apply(record: IdRecord): void {
    const { kind, scope, name, id } = record;
    const formerName = this.owner(kind, id);
    if (formerName) this.#byName.delete(nameKey(kind, formerName.scope, formerName.name));
    const formerId = this.find(kind, scope, name);
    if (formerId !== undefined) this.#byId.delete(idKey(kind, formerId));
    this.#byName.set(nameKey(kind, scope, name), record);
    this.#byId.set(idKey(kind, id), record);
    this.#highest[kind] = Math.max(this.#highest[kind] ?? 0, id);
  }

  *records(): Generator<StateRecord> {
    for (const v of this.#byId.values()) yield { k: 'id', v };
  }
}

function nameKey(kind: IdKind, scope: number, name: string): string {
  return `${kind}\0${scope}\0${name}`;
}

function idKey(kind: IdKind, id: number): string {
  return `${kind}\0${id}`;
}
