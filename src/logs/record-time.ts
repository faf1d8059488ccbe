/**
 * Times of log records: RFC 3339 in UTC with nanoseconds (spec 3.1). Within one millisecond the digits below it count
 * the records, so that times never repeat and never run backwards: servers sort and de-duplicate by them.
 */
export interface RecordTime {
  /** Milliseconds since the epoch. */
  ms: number;
  /** Count within the millisecond, 0 to 999999. */
  sub: number;
}

/** Moves `time` on to the next record, written at `ms`. */
export function advance(time: RecordTime, ms: number): void {
  if (ms > time.ms) {
    time.ms = ms;
    time.sub = 0;
  } else if (time.sub < 999_999) {
    time.sub += 1;
  } else {
    time.ms += 1;
    time.sub = 0;
  }
}

/** Writes record times; remembers the text of the millisecond, which is most of the work. */
export class RecordTimeFormat {
  #ms = Number.NaN;
  #prefix = '';

  format(time: RecordTime): string {
    if (time.ms !== this.#ms) {
      this.#ms = time.ms;
      this.#prefix = new Date(time.ms).toISOString().slice(0, -1);
    }
    return `${this.#prefix}${String(time.sub).padStart(6, '0')}Z`;
  }
}
