import { setTimeout as delay } from 'node:timers/promises';
import type { PtyExit, PtyHandlers } from '../../execution/index.ts';
import type { ExecEnd, ExecStream, KubernetesClient } from '../kubernetes/index.ts';
import {
  lookerCommand,
  ShellLooker,
  type Look,
  type LookerChannel,
  type SessionProcess,
} from '../shell-session/index.ts';
import { mainContainer } from './build-pod.ts';

interface Place {
  client: Pick<KubernetesClient, 'exec'>;
  pod: string;
}

/** What the ended processes have said last comes by another way than the news of their end: so much silence, and at most so long, ms. */
const lastWordsMs = 150;
const mostLastWordsMs = 1000;

/**
 * A login shell in the main container of a pod, with a terminal, over the API's WebSocket.
 *
 *     running ──process ends, or connection breaks──▶ ended ──┐
 *        └───────────────────── stop ─────────────────────────┴─▶ stopped
 */
export class PodProcess implements SessionProcess {
  readonly spareDescriptors = [];
  readonly leadsForeground = undefined;
  readonly #handlers: PtyHandlers;
  readonly #looker: ShellLooker;
  #stream: ExecStream | undefined;
  #exit: PtyExit | undefined;
  /** What came before the session was ready for it. */
  #early: Buffer[] | undefined = [];
  #stopped: Promise<{ pid: number }[]> | undefined;
  readonly #hurry = new AbortController();
  #heardAt = 0;

  private constructor(place: Place, handlers: PtyHandlers) {
    this.#handlers = handlers;
    this.#looker = new ShellLooker((events) => openLooker(place, events));
  }

  /** Rejects with RemoteError, UserError, or the signal's reason. */
  static async open(place: Place, handlers: PtyHandlers, signal: AbortSignal): Promise<PodProcess> {
    const process = new PodProcess(place, handlers);
    // Later, the signal is none of the connection's business: the shell is to be ended in peace.
    const opening = new AbortController();
    const onAbort = (): void => opening.abort(signal.reason);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    const stream = await place.client.exec({
      pod: place.pod,
      container: mainContainer,
      argv: ['bash', '--login'],
      tty: true,
      stdin: true,
      signal: opening.signal,
      onStdout: (bytes) => process.#onData(bytes),
    });
    signal.removeEventListener('abort', onAbort);
    process.#stream = stream;
    setImmediate(() => process.#begin(stream));
    return process;
  }

  get exit(): PtyExit | undefined {
    return this.#exit;
  }

  /** How the shell, or the way to it, has ended. */
  get end(): ExecEnd | undefined {
    return this.#stream?.end;
  }

  /** Gives up the connection: the shell is known to be gone. */
  abandon(): void {
    this.#stream?.close();
  }

  write(text: string): void {
    void this.#stream?.write(Buffer.from(text, 'utf8'));
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  look(shell: number | undefined): Look | Promise<Look> {
    return this.#exit ? undefined : this.#looker.look(shell);
  }

  hangUp(group: number): void {
    this.#looker.hangUp(group);
  }

  /** Output is handed over before the end is told. */
  drain(): Promise<void> {
    return Promise.resolve();
  }

  /** What then is left in the container ends with the pod, which the executor removes. */
  async stop(graceMs: number): Promise<readonly { pid: number }[]> {
    const timer = setTimeout(() => this.#hurry.abort(), graceMs);
    this.#stopped ??= this.#stop(graceMs);
    try {
      return await this.#stopped;
    } finally {
      clearTimeout(timer);
    }
  }

  async #stop(graceMs: number): Promise<{ pid: number }[]> {
    const { signal } = this.#hurry;
    if (!this.#exit && graceMs > 0) {
      const hurried = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await Promise.race([this.#endOthers(graceMs), hurried, this.#stream?.ended]);
    }
    this.#looker.close();
    this.#stream?.close();
    return [];
  }

  async #endOthers(graceMs: number): Promise<void> {
    await this.#looker.endOthers(undefined, graceMs, this.#hurry.signal);
    const endedAt = performance.now();
    for (;;) {
      const now = performance.now();
      const silentMs = now - Math.max(this.#heardAt, endedAt);
      if (silentMs >= lastWordsMs || now - endedAt >= mostLastWordsMs) return;
      await delay(lastWordsMs - silentMs);
    }
  }

  #begin(stream: ExecStream): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const bytes of early) this.#handlers.onData(bytes);
    void this.#await(stream);
  }

  async #await(stream: ExecStream): Promise<void> {
    const end = await stream.ended;
    // It says why there is no shell, such as: executable file not found.
    if (end.kind === 'failed') this.#handlers.onData(Buffer.from(`${end.reason}\n`));
    this.#exit = { code: end.kind === 'exited' ? end.code : null, signal: null };
    this.#looker.close();
    this.#handlers.onExit(this.#exit);
  }

  #onData(bytes: Buffer): void {
    this.#heardAt = performance.now();
    if (this.#early) this.#early.push(bytes);
    else this.#handlers.onData(bytes);
  }
}

async function openLooker(
  { client, pod }: Place,
  { onData, onEnd }: { onData: (bytes: Buffer) => void; onEnd: () => void },
): Promise<LookerChannel> {
  const stream = await client.exec({
    pod,
    container: mainContainer,
    argv: lookerCommand,
    stdin: true,
    onStdout: onData,
    handshakeTimeoutMs: 5000,
  });
  void waitFor(stream, onEnd);
  return {
    write: (text) => void stream.write(Buffer.from(text, 'utf8')),
    close: () => stream.close(),
  };
}

async function waitFor(stream: ExecStream, onEnd: () => void): Promise<void> {
  await stream.ended;
  onEnd();
}
