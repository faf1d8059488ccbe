import { openWebSocket, type WebSocketClient } from '../../http/index.ts';
import { Backoff, type Clock, codeOf, RemoteError } from '../../lib/index.ts';
import { answerFailure } from './answer-failure.ts';
import { connectionFailure } from './connection-failure.ts';
import { type KubernetesConnection, requestSettings } from './connection.ts';
import { endOfStatus, type ExecEnd } from './exec-status.ts';

export interface ExecRequest {
  pod: string;
  container: string;
  /** The command and its arguments; whoever may see the pod's processes sees them. */
  argv: readonly string[];
  /** Gives it a terminal: then there is no separate standard error. @default false */
  tty?: boolean;
  /** Whether there will be input; without, it reads the end of its input at once. @default false */
  stdin?: boolean;
  /** The bytes are the listener's. */
  onStdout: (bytes: Buffer) => void;
  onStderr?: (bytes: Buffer) => void;
  /** Aborted, the connection is given up; the process is not ended by that (with a terminal, it loses it). */
  signal?: AbortSignal | undefined;
  /** @default 30_000 */
  handshakeTimeoutMs?: number;
}

/** A process in a container, over the API's WebSocket. */
export interface ExecStream {
  readonly protocol: string;
  /** How it ended; undefined before. */
  readonly end: ExecEnd | undefined;
  /** Resolves when the process has ended, or nobody listens to it any more; all output has been handed over then. Never rejects. */
  readonly ended: Promise<ExecEnd>;
  /** Resolves when the bytes have left this program. */
  write(bytes: Buffer): Promise<void>;
  /** Ends the input. False when the server cannot (Kubernetes before 1.30): the command must know how much there is to read. */
  endInput(): boolean;
  resize(size: { columns: number; rows: number }): void;
  /** Stops reading: the process has to wait when it prints more. */
  pause(): void;
  resume(): void;
  /** Gives up the connection: `ended` resolves with `lost`. */
  close(): void;
}

/** The first that the server knows; only the fifth version can end the input. */
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;
const channel = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;
/** Longest message, bytes. */
const maxChunkBytes = 64 * 1024;
/** After the status, the server says goodbye; it is not waited for longer, milliseconds. */
const goodbyeMs = 1000;
const maxAttempts = 4;

/**
 * Starts a process in a container. The library's own `Exec` is not used: it cannot hold back output, end the input alone, notice a connection
 * that is dead, be aborted while it connects, or say why the server refused. Rejects with RemoteError, UserError, or the signal's
 * reason when it could not be started.
 */
export async function execInPod(
  connection: KubernetesConnection,
  clock: Pick<Clock, 'sleep' | 'random'>,
  request: ExecRequest,
): Promise<ExecStream> {
  const backoff = new Backoff({ initialMs: 250, maxMs: 2000 }, clock);
  for (;;) {
    const opened = await open(connection, request);
    if (!(opened instanceof RemoteError)) return opened;
    // Only what surely has not started anything is tried again.
    const isHarmless = codeOf(opened.cause) === 'ECONNREFUSED' || opened.status === 429 || opened.status === 503;
    if (!isHarmless || backoff.failures + 1 >= maxAttempts) throw opened;
    await clock.sleep(Math.max(backoff.next(), Math.min(opened.retryAfterMs ?? 0, 30_000)), request.signal);
  }
}

async function open(connection: KubernetesConnection, request: ExecRequest): Promise<ExecStream | RemoteError> {
  const { pod, signal, handshakeTimeoutMs = 30_000 } = request;
  const { namespace, server } = connection;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/exec`;
  const process = new Process(request);
  try {
    const opening = await openWebSocket({
      url: `${server.replace(/^http/, 'ws')}${path}?${queryOf(request).toString()}`,
      protocols,
      ...(await requestSettings(connection)),
      handshakeTimeoutMs,
      signal,
      onMessage: (bytes) => process.onMessage(bytes),
      onClose: (reason) => process.onClose(reason),
    });
    if (opening.kind === 'refused') {
      if (opening.status === 401) connection.tokenFile?.forget();
      // A WebSocket begins with a GET, so RBAC asks for `get`; new versions of Kubernetes ask for `create` as well.
      const verb = /cannot create resource/.test(opening.body) ? 'create' : 'get';
      return answerFailure(opening, connection, { verb, resource: 'pods/exec', namespace });
    }
    return process.attach(opening.socket);
  } catch (error: unknown) {
    signal?.throwIfAborted();
    const failure = connectionFailure(error, connection, { method: 'GET', path });
    if (failure instanceof RemoteError) return failure;
    throw failure;
  }
}

function queryOf({ container, argv, tty = false, stdin = false }: ExecRequest): URLSearchParams {
  const query = new URLSearchParams({ container, stdin: String(stdin), stdout: 'true', stderr: String(!tty) });
  query.set('tty', String(tty));
  for (const word of argv) query.append('command', word);
  return query;
}

class Process implements ExecStream {
  readonly ended: Promise<ExecEnd>;
  readonly #request: ExecRequest;
  #socket: WebSocketClient | undefined;
  #status: ExecEnd | undefined;
  #end: ExecEnd | undefined;
  #goodbye: NodeJS.Timeout | undefined;
  #resolve: (end: ExecEnd) => void = () => undefined;

  constructor(request: ExecRequest) {
    this.#request = request;
    this.ended = new Promise((resolve) => (this.#resolve = resolve));
  }

  get end(): ExecEnd | undefined {
    return this.#end;
  }

  get protocol(): string {
    return this.#socket?.protocol ?? '';
  }

  attach(socket: WebSocketClient): ExecStream {
    this.#socket = socket;
    return this;
  }

  async write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; at += maxChunkBytes) {
      await this.#socket?.send(framed(channel.stdin, bytes.subarray(at, at + maxChunkBytes)));
    }
  }

  endInput(): boolean {
    if (this.protocol !== protocols[0]) return false;
    void this.#socket?.send(Buffer.from([channel.close, channel.stdin]));
    return true;
  }

  resize({ columns, rows }: { columns: number; rows: number }): void {
    void this.#socket?.send(framed(channel.resize, Buffer.from(JSON.stringify({ Width: columns, Height: rows }))));
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  close(): void {
    this.#settle(this.#status ?? { kind: 'lost', reason: 'it was given up' });
  }

  onMessage(bytes: Buffer): void {
    // Servers begin with empty messages.
    if (bytes.length < 2 || this.#end) return;
    const body = bytes.subarray(1);
    if (bytes[0] === channel.stdout) this.#request.onStdout(body);
    else if (bytes[0] === channel.stderr) this.#request.onStderr?.(body);
    else if (bytes[0] === channel.status) this.#onStatus(endOfStatus(body.toString('utf8')));
  }

  onClose(reason: string | undefined): void {
    this.#settle(this.#status ?? { kind: 'lost', reason: reason ?? 'the server ended the connection' });
  }

  #onStatus(end: ExecEnd): void {
    this.#status = end;
    this.#goodbye = setTimeout(() => this.#settle(end), goodbyeMs);
  }

  #settle(end: ExecEnd): void {
    clearTimeout(this.#goodbye);
    if (this.#end) return;
    this.#end = end;
    this.#resolve(end);
    this.#socket?.close();
  }
}

function framed(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([number]), bytes]);
}
