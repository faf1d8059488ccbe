import { type Masker, secretLines, worthMasking } from '../../logs/index.ts';

/** Of a line that is not complete, at most so much is kept back, bytes. */
const maxHeldBytes = 8 * 1024;
/** A part of a line is complete when nothing has come for so long, milliseconds: what a tool writes at once comes at once. */
const patienceMs = 200;
/** The end of a text is compared with the beginnings of secrets up to here, bytes; longer ones are the masker's business. */
const maxBeginning = 256;

const lineFeed = 10;
const mask = '***';

export interface MaskedOutputOptions {
  masker: Masker;
  /** Those that the masker looks for, as they are. */
  secrets: readonly string[];
  minLength: number;
  /** Gets the masked output. */
  write: (text: string) => void;
}

/**
 * Masks output that comes in pieces, wherever they are cut. Complete lines go on at once. A part of a line waits for the rest of
 * it, or for `patienceMs` or two; what is then still the beginning of a secret waits on. What has gone on is remembered as far as a secret can
 * reach, so that one of which the beginning was not recognised has its rest masked.
 */
export class MaskedOutput {
  readonly #options: MaskedOutputOptions;
  readonly #beginnings: Map<number, Buffer[]>;
  /** What has gone on, and what has not, without masks. */
  #gone = Buffer.alloc(0);
  #held = Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MaskedOutputOptions) {
    this.#options = options;
    this.#beginnings = beginningsOf(options.secrets, options.minLength);
  }

  push(text: string): void {
    this.#held = Buffer.concat([this.#held, Buffer.from(text, 'utf8')]);
    const lineStart = this.#held.lastIndexOf(lineFeed) + 1;
    if (lineStart > 0) this.#disarm();
    this.#giveOut(Math.max(lineStart, this.#held.length - maxHeldBytes));
    this.#arm();
  }

  /** Nothing follows for now: all goes on. */
  flush(): void {
    this.#disarm();
    this.#giveOut(this.#held.length, true);
  }

  /** What is held now goes on when its time is over, whether or not something comes meanwhile. */
  #arm(): void {
    const { length } = this.#held;
    if (this.#timer || length === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const hasGrown = this.#held.length > length;
      this.#giveOut(Math.min(length, this.#held.length));
      if (hasGrown) this.#arm();
    }, patienceMs);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Hands on what is held up to `limit`, or less when a secret may begin before. */
  #giveOut(limit: number, isEnd = false): void {
    if (limit === 0) return;
    const { masker, write } = this.#options;
    const lead = this.#gone.length;
    const all = Buffer.concat([this.#gone, this.#held]);
    const spans = masker.find(all);
    let end = lead + limit;
    if (!isEnd) {
      end = Math.min(end, this.#openFrom(all));
      const torn = spans.find((span) => span.start < end && span.end > end);
      if (torn) end = torn.start;
      while (end > lead && ((all[end] ?? 0) & 0xc0) === 0x80) end -= 1;
    }
    if (end <= lead) return;
    let text = '';
    let position = lead;
    for (const span of spans) {
      if (span.end <= lead || span.start >= end) continue;
      if (span.start > position) text += all.toString('utf8', position, span.start);
      text += mask;
      position = span.end;
    }
    text += all.toString('utf8', position, Math.max(position, end));
    this.#gone = Buffer.from(all.subarray(Math.max(0, end - masker.reach), end));
    this.#held = Buffer.from(all.subarray(end));
    write(text);
  }

  /** Where a secret begins that may go on behind the end; no further back than may be held. */
  #openFrom(all: Buffer): number {
    const { length } = all;
    const tail = Math.max(0, length - this.#options.masker.reach);
    const wrapped = tail + this.#options.masker.unfinished(all.subarray(tail));
    return Math.max(length - maxHeldBytes, Math.min(wrapped, length - this.#beginningAtEnd(all)));
  }

  /** How many bytes at the end are the beginning of a secret. */
  #beginningAtEnd(all: Buffer): number {
    const { length } = all;
    for (let start = Math.max(0, length - maxBeginning); start < length; start += 1) {
      const size = length - start;
      const isBeginning = this.#beginnings
        .get(all[start] ?? 0)
        ?.some((secret) => secret.length > size && secret.compare(all, start, length, 0, size) === 0);
      if (isBeginning) return size;
    }
    return 0;
  }
}

/** By their first bytes. */
function beginningsOf(secrets: readonly string[], minLength: number): Map<number, Buffer[]> {
  const beginnings = new Map<number, Buffer[]>();
  for (const line of secrets.flatMap((secret) => secretLines(secret))) {
    if (!worthMasking(line, minLength)) continue;
    const bytes = Buffer.from(line, 'utf8').subarray(0, maxBeginning + 1);
    const first = bytes[0] ?? 0;
    beginnings.set(first, [...(beginnings.get(first) ?? []), bytes]);
  }
  return beginnings;
}
