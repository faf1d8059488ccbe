import type { ByteWriter } from '../lib/index.ts';

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

/** The text of a time, `2026-10-10T08:16:02.114000007Z`. */
export function formatRecordTime(time: RecordTime): string {
  return `${new Date(time.ms).toISOString().slice(0, -1)}${String(time.sub).padStart(6, '0')}Z`;
}

const endOfRecord = '"}';
const separator = `${endOfRecord},`;
const beforeTime = `${separator}{"time":"`;
const afterTime = '","message":"';
/** Position of the last of the six digits below the millisecond. */
const lastDigit = beforeTime.length + '2026-10-10T08:16:02.114000000'.length - 1;

/**
 * Writes what stands around the messages of records, `{"time":"…","message":"…"}` joined by commas: one copy a record, of
 * which only the last digits change from one to the next.
 */
export class RecordFrame {
  #ms = Number.NaN;
  #head = Buffer.alloc(0);

  /** The end of the record before, unless this is the first, and the beginning of this one. */
  begin(writer: ByteWriter, time: RecordTime, first: boolean): void {
    if (time.ms !== this.#ms) {
      this.#ms = time.ms;
      this.#head = Buffer.from(`${beforeTime}${formatRecordTime({ ms: time.ms, sub: 0 })}${afterTime}`, 'latin1');
    }
    let rest = time.sub;
    for (let digit = 0; digit < 6; digit += 1) {
      this.#head[lastDigit - digit] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    writer.raw(first ? this.#head.subarray(separator.length) : this.#head);
  }

  /** The end of the last record. */
  end(writer: ByteWriter): void {
    writer.text(endOfRecord);
  }
}
