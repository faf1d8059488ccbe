import { decodeOutput, unfinishedBytes } from './decode-output.ts';

/** What the output of a command is handed to. A promise makes the command wait until it is settled. */
export type OutputConsumer = (text: string) => void | Promise<void>;

/**
 * Greatest chunk, bytes. An event of the job's log is one line of JSON, in which one byte takes up to six; readers of such lines are known
 * to give up at 64 KiB.
 */
export const maxChunkBytes = 8 * 1024;
/** A chunk is complete when nothing has come for so long, milliseconds (spec CI 5.10). */
const silenceMs = 100;
/** Nor is anything kept longer than this, when it trickles. */
const maxAgeMs = 200;

export interface OutputChunksOptions {
  consume: OutputConsumer;
  /** Called before the consumer is waited for, and after. */
  pause: () => void;
  resume: () => void;
  /** Called on silence, before the chunk is given out: whoever keeps something back for it may append it now. */
  onSilence: () => void;
}

/**
 * Cuts the output of one command into texts: a full chunk at once, a part when there is silence or it becomes old, the rest at the end;
 * never inside a character or a CR LF. What waits for its other half sets no timer.
 */
export class OutputChunks {
  readonly #options: OutputChunksOptions;
  readonly #buffer = Buffer.allocUnsafe(maxChunkBytes);
  #length = 0;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Consumers that are at work. */
  #waiting = 0;
  #whenIdle: (() => void) | undefined;
  #failure: { error: unknown } | undefined;

  constructor(options: OutputChunksOptions) {
    this.#options = options;
  }

  append(bytes: Buffer): void {
    for (let from = 0; from < bytes.length;) {
      if (this.#length === 0) this.#since = performance.now();
      const size = Math.min(maxChunkBytes - this.#length, bytes.length - from);
      bytes.copy(this.#buffer, this.#length, from, from + size);
      this.#length += size;
      from += size;
      if (this.#length === maxChunkBytes) this.#giveOut();
    }
    if (this.#length === 0) return;
    if (performance.now() - this.#since >= maxAgeMs) this.#giveOut();
    if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(() => this.#onSilence(), silenceMs);
  }

  /** Gives out what there is as a chunk of its own. */
  flush(): void {
    this.#giveOut();
  }

  /** Gives out the rest, also what never became whole. Resolves when the consumer has it all; rejects when it failed. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#giveOut(true);
    while (this.#waiting > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    if (this.#failure) throw this.#failure.error;
  }

  #onSilence(): void {
    this.#timer = undefined;
    this.#options.onSilence();
    this.#giveOut();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #giveOut(isEnd = false): void {
    const bytes = this.#buffer.subarray(0, this.#length);
    const kept = isEnd ? 0 : unfinishedBytes(bytes);
    const size = this.#length - kept;
    if (size === 0) return;
    const text = decodeOutput(bytes.subarray(0, size));
    this.#buffer.copyWithin(0, size, this.#length);
    this.#length = kept;
    this.#since = performance.now();
    const waited = this.#options.consume(text);
    if (waited) void this.#wait(waited);
  }

  async #wait(waited: Promise<void>): Promise<void> {
    this.#waiting += 1;
    this.#options.pause();
    try {
      await waited;
    } catch (error: unknown) {
      this.#failure ??= { error };
    }
    this.#waiting -= 1;
    if (this.#waiting > 0) return;
    this.#options.resume();
    this.#whenIdle?.();
  }
}
