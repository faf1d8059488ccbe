import { markByte, opening, type MarkKind } from './wording.ts';

export interface Mark {
  kind: MarkKind;
  /** "" where the kind has none. */
  nonce: string;
  /** What follows the nonce. */
  text: string;
}

export interface MarkReaderHandlers {
  /** The bytes are only there during the call. */
  onData: (bytes: Buffer) => void;
  onMark: (mark: Mark) => void;
}

/** From the session's number to the end of a mark, at most, bytes. */
const maxMarkBytes = 128;
/** What is typed and shown again is not longer; with what a line editor adds to it. */
const maxShownBytes = 8192;
const lineFeed = 10;
const space = 32;
const brace = 123;

/**
 * Parts what comes from the terminal into output, marks, and our own words shown again, which are dropped.
 *
 * It looks for the session's number, which 20 digits long hardly ever occurs by itself, and then at what is before it; so one
 * search goes over every byte, and SOH has no meaning of its own. Kept back is only what may become a mark or shown words: a few
 * bytes at the end of a read.
 */
export class MarkReader {
  readonly #number: Buffer;
  readonly #markStart: Buffer;
  readonly #shownStart: Buffer;
  readonly #handlers: MarkReaderHandlers;
  #rest = Buffer.alloc(0);
  /** Set when what is kept back cannot be a mark, but only our words shown again. */
  #restIsSoft = false;

  constructor(session: string, handlers: MarkReaderHandlers) {
    this.#number = Buffer.from(session, 'latin1');
    this.#markStart = Buffer.concat([Buffer.from([markByte]), this.#number]);
    this.#shownStart = Buffer.from(` ${opening(session)}`, 'latin1');
    this.#handlers = handlers;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = Buffer.alloc(0);
    let from = 0;
    let searchFrom = 0;
    for (;;) {
      const at = bytes.indexOf(this.#number, searchFrom);
      if (at === -1) break;
      searchFrom = at + this.#number.length;
      const found = this.#isMarkAt(bytes, at, from) ? this.#mark(bytes, at) : this.#shown(bytes, at, from);
      if (found === undefined) continue;
      this.#data(bytes, from, found.start);
      if (found.end === undefined) return this.#keep(bytes, found.start, found.mark === undefined);
      if (found.mark) this.#handlers.onMark(found.mark);
      from = found.end;
      searchFrom = from;
    }
    const end = this.#startOfPossible(bytes, from);
    this.#data(bytes, from, end);
    if (end < bytes.length) this.#keep(bytes, end, bytes[end] !== markByte);
  }

  /** Gives out what is kept back for looks only: nothing has come for a while. */
  relax(): void {
    if (this.#restIsSoft) this.finish();
  }

  /** Gives out all that is kept back: nothing more will come. */
  finish(): void {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    this.#restIsSoft = false;
    this.#data(rest, 0, rest.length);
  }

  #isMarkAt(bytes: Buffer, at: number, from: number): boolean {
    return at > from && bytes[at - 1] === markByte;
  }

  /** A whole mark, the beginning of one (without `end`), or undefined for something else. */
  #mark(bytes: Buffer, at: number): { start: number; end?: number; mark?: Mark } | undefined {
    const start = at - 1;
    const body = at + this.#number.length;
    const lineEnd = bytes.indexOf(lineFeed, body);
    if (lineEnd === -1 ? bytes.length - body > maxMarkBytes : lineEnd - body > maxMarkBytes) return undefined;
    const unfinished = { kind: 'P', nonce: '', text: '' } as const;
    if (lineEnd === -1) return { start, mark: unfinished };
    const match = /^([IRPSE])(\d*)(?: ?([^\r]*))\r*$/.exec(bytes.toString('latin1', body, lineEnd));
    if (!match) return undefined;
    const [, kind = '', nonce = '', text = ''] = match;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the expression has matched one of the letters
    return { start, end: lineEnd + 1, mark: { kind: kind as MarkKind, nonce, text } };
  }

  /** Our words as the terminal shows them: to the end of the line, or to the next mark. */
  #shown(bytes: Buffer, at: number, from: number): { start: number; end?: number; mark?: undefined } | undefined {
    const lead = this.#shownStart.length - this.#number.length;
    const withoutSpace = at - lead + 1;
    if (withoutSpace < from || !bytes.subarray(withoutSpace, at).equals(this.#shownStart.subarray(1, lead)))
      return undefined;
    const start = withoutSpace > from && bytes[withoutSpace - 1] === space ? withoutSpace - 1 : withoutSpace;
    const lineEnd = bytes.indexOf(lineFeed, at);
    const markAt = bytes.indexOf(this.#markStart, at);
    if (markAt !== -1 && (lineEnd === -1 || markAt < lineEnd)) return { start, end: markAt };
    if (lineEnd !== -1) return { start, end: lineEnd + 1 };
    return bytes.length - start > maxShownBytes ? undefined : { start };
  }

  /** Where at the end of `bytes` something begins that may become a mark or shown words. */
  #startOfPossible(bytes: Buffer, from: number): number {
    for (let start = Math.max(from, bytes.length - this.#shownStart.length + 1); start < bytes.length; start += 1) {
      const first = bytes[start];
      if (first !== markByte && first !== brace && first !== space) continue;
      const tail = bytes.subarray(start);
      if (beginsWith(this.#markStart, tail) || beginsWith(this.#shownStart.subarray(1), tail)) return start;
      if (beginsWith(this.#shownStart, tail)) return start;
    }
    return bytes.length;
  }

  #keep(bytes: Buffer, from: number, isSoft: boolean): void {
    this.#rest = Buffer.from(bytes.subarray(from));
    this.#restIsSoft = isSoft;
  }

  #data(bytes: Buffer, from: number, to: number): void {
    if (to > from) this.#handlers.onData(bytes.subarray(from, to));
  }
}

function beginsWith(whole: Buffer, part: Buffer): boolean {
  return part.length <= whole.length && whole.subarray(0, part.length).equals(part);
}
