import type { HttpTransport } from '../../http/index.ts';
import { messageOf, RemoteError } from '../../lib/index.ts';
import { maxLogLines, pushLog } from '../../protocol/ci/index.ts';
import { shortenedLine } from './shortened-line.ts';
import type { Spool } from './spool.ts';
import type { Cursor } from './whole-lines.ts';

/** Where a log goes. */
export interface PushTarget {
  url: string;
  token: string;
  userAgent: string;
}

export interface BatchSenderOptions {
  spool: Pick<Spool, 'batch'>;
  transport: HttpTransport;
  target: PushTarget;
  /** Gets a new log token; undefined where nobody may. Throws RemoteError. */
  refresh?: ((signal: AbortSignal) => Promise<string>) | undefined;
  /** Told every new token. */
  onToken?: ((token: string) => Promise<void>) | undefined;
  signal: AbortSignal;
}

/** What became of one batch. */
export type Sent =
  /** The server has the lines up to `next`; they must not be sent again. */
  | { kind: 'acknowledged'; next: Cursor }
  /** 422: the log is as long as the server lets it be. */
  | { kind: 'full' }
  /** 413: the next one is smaller. */
  | { kind: 'too-large' }
  /** The token is not valid any more and there is no other one. `isFinal`: nor will there be. */
  | { kind: 'refused'; error: Error; isFinal: boolean }
  /** Anything else: the same lines again, later. */
  | { kind: 'failed'; error: Error };

/** A usual limit of servers for a request is 1 MB; the original knows none (spec CI 7.4). */
export const mostBytes = 512 * 1024;

/** Sends one batch of lines at a time and says what came of it (spec CI 7.4). No policy: the pusher decides what is next. */
export class BatchSender {
  readonly #options: BatchSenderOptions;
  #token: string;
  #maxBytes = mostBytes;
  /** The line that the server does not take as it is. */
  #shortened: number | undefined;
  #hasShortened = false;

  constructor(options: BatchSenderOptions) {
    this.#options = options;
    this.#token = options.target.token;
  }

  /** Lines did not arrive as they were written. */
  get hasShortened(): boolean {
    return this.#hasShortened;
  }

  /** Never rejects. */
  async send(from: Cursor): Promise<Sent> {
    try {
      const { body, next } = this.#batch(from);
      const refused = await this.#push(from, body);
      if (refused) return refused;
      return { kind: 'acknowledged', next };
    } catch (error: unknown) {
      if (error instanceof RemoteError && error.status === 422) return { kind: 'full' };
      if (error instanceof RemoteError && error.status === 413 && this.#shrink(from)) return { kind: 'too-large' };
      return { kind: 'failed', error: errorOf(error) };
    }
  }

  #batch(from: Cursor): { body: Buffer; next: Cursor } {
    const { spool } = this.#options;
    if (from.line !== this.#shortened) return spool.batch(from, { maxLines: maxLogLines, maxBytes: this.#maxBytes });
    const { body, next } = spool.batch(from, { maxLines: 1, maxBytes: 1 });
    return { body: Buffer.from(`${shortenedLine(body.toString('utf8')) ?? ''}\n`), next };
  }

  /** Pushes, once more with a new token if the server wants one. Throws what pushLog throws. */
  async #push(from: Cursor, body: Buffer): Promise<Sent | undefined> {
    try {
      await this.#pushOnce(from, body);
      return undefined;
    } catch (error: unknown) {
      if (!(error instanceof RemoteError) || error.status !== 401) throw error;
      const refused = await this.#refresh(error);
      if (refused) return refused;
    }
    await this.#pushOnce(from, body);
    return undefined;
  }

  async #pushOnce(from: Cursor, body: Buffer): Promise<void> {
    const { transport, target, signal } = this.#options;
    await pushLog(transport, { ...target, token: this.#token, startFrom: from.line, body, signal });
  }

  async #refresh(refusal: RemoteError): Promise<Sent | undefined> {
    const { refresh, onToken, signal } = this.#options;
    if (!refresh) return { kind: 'refused', error: refusal, isFinal: true };
    try {
      this.#token = await refresh(signal);
    } catch (error: unknown) {
      // An agent that the server does not know, or whose job was taken away, gets none.
      const isFinal = error instanceof RemoteError && [401, 404, 422].includes(error.status ?? 0);
      return { kind: 'refused', error: errorOf(error), isFinal };
    }
    await onToken?.(this.#token);
    return undefined;
  }

  /** Makes the batch that begins at `from` smaller; false when that cannot be. */
  #shrink(from: Cursor): boolean {
    if (from.line === this.#shortened) return false;
    const { body, next } = this.#batch(from);
    if (next.line - from.line > 1) {
      this.#maxBytes = Math.floor(body.length / 2);
      return true;
    }
    if (shortenedLine(body.toString('utf8')) === undefined) return false;
    this.#shortened = from.line;
    this.#hasShortened = true;
    return true;
  }
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
