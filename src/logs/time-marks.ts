/** Marks kept at most; past it every second one is dropped, so that an hour without a server costs no memory. */
const maxMarks = 4096;

/**
 * When which part of a log was written: pairs of (size of the file, milliseconds since the epoch), in order. The log
 * itself carries no times; a line gets the time of the first mark at or after its end.
 */
export class TimeMarks {
  #offsets: number[] = [];
  #times: number[] = [];
  /** What lies before this may be on the server already, and is sent again with the same times if that is not known. */
  #pinned = 0;

  /** `known` are marks of an earlier process, as `upTo` gave them. */
  constructor(known: readonly (readonly [number, number])[] = []) {
    for (const [offset, time] of known) {
      this.add(offset, time);
      this.pin(offset);
    }
  }

  /** Notes that at `time` the file was `offset` bytes long. */
  add(offset: number, time: number): void {
    const last = this.#offsets.length - 1;
    if (last >= 0 && offset <= (this.#offsets[last] ?? 0)) return;
    this.#offsets.push(offset);
    // The wall clock may be set back; records must not run backwards.
    this.#times.push(Math.max(time, this.#times[last] ?? time));
    if (this.#offsets.length > maxMarks) this.#thin();
  }

  /** Keeps the times of everything before `offset`. */
  pin(offset: number): void {
    this.#pinned = Math.max(this.#pinned, offset);
  }

  /** Index of the mark that covers the byte before `offset`, searched upwards from `from`. */
  indexFor(offset: number, from: number): number {
    let index = from;
    while (index < this.#offsets.length && (this.#offsets[index] ?? 0) < offset) index += 1;
    return index;
  }

  /** Time of the mark at `index`; of the last one past the end. */
  timeAt(index: number): number {
    return this.#times[index] ?? this.#times.at(-1) ?? 0;
  }

  /** Forgets what lies before `offset`, which was acknowledged. */
  discardBefore(offset: number): void {
    const keep = this.indexFor(offset + 1, 0);
    if (keep === 0) return;
    this.#offsets.splice(0, keep);
    this.#times.splice(0, keep);
  }

  /** The marks that tell the times of what lies before `offset`. */
  upTo(offset: number): [number, number][] {
    const count = this.indexFor(offset, 0) + 1;
    return this.#offsets.slice(0, count).map((at, index) => [at, this.#times[index] ?? 0]);
  }

  get size(): number {
    return this.#offsets.length;
  }

  #thin(): void {
    const last = this.#offsets.length - 1;
    const pinned = this.indexFor(this.#pinned, 0);
    if (last - pinned < maxMarks) return;
    const keep = (_: number, index: number): boolean => index <= pinned || index % 2 === 1 || index === last;
    this.#offsets = this.#offsets.filter(keep);
    this.#times = this.#times.filter(keep);
  }
}
