import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import type { RawData, WebSocket } from 'ws';

export interface WebSocketClientOptions {
  /** `ws://` or `wss://`. */
  url: string;
  /** Sub-protocols, the preferred one first. */
  protocols: readonly string[];
  headers: Readonly<Record<string, string>>;
  /** How the server is reached, with what TLS. */
  agent?: Agent | undefined;
  /** Until the server has agreed, milliseconds. */
  handshakeTimeoutMs: number;
  /** Aborted, the connection is given up, also while it is made. */
  signal?: AbortSignal | undefined;
  /** Milliseconds between pings. @default 20_000 */
  pingEveryMs?: number;
  /** A server from which nothing came for so long, not even a pong, is given up. Does not count while paused. @default 60_000 */
  silenceMs?: number;
  /** The bytes are the listener's. */
  onMessage: (bytes: Buffer) => void;
  /** Called once after the connection was open, whoever ended it. `reason` says why it broke; undefined after a goodbye. */
  onClose: (reason: string | undefined) => void;
}

/** A binary WebSocket to a server. */
export interface WebSocketClient {
  /** What the server chose. */
  readonly protocol: string;
  /** Resolves when the bytes have left this program, or the connection is closed: then nothing happens. */
  send(bytes: Buffer): Promise<void>;
  /** Stops reading from the network; a little of what was read already may still come. */
  pause(): void;
  resume(): void;
  /** Says goodbye, and does not wait long for the answer. */
  close(): void;
}

export type WebSocketOpening =
  | { kind: 'open'; socket: WebSocketClient }
  /** The server answered with something else than a WebSocket. `body`: its beginning. */
  | { kind: 'refused'; status: number; headers: Readonly<Record<string, string>>; body: string };

/** Longest message taken from a server, bytes. */
const maxMessageBytes = 32 * 1024 * 1024;
/** Of an answer that refuses, bytes. */
const maxBodyBytes = 64 * 1024;
const goodbyeMs = 1000;

/** Opens a WebSocket. Rejects with the system's error when there is no answer, and with the signal's reason. */
export async function openWebSocket(options: WebSocketClientOptions): Promise<WebSocketOpening> {
  const { url, protocols, headers, agent, handshakeTimeoutMs, signal } = options;
  signal?.throwIfAborted();
  const ws = await import('ws');
  const socket = new ws.WebSocket(url, [...protocols], {
    headers: { ...headers },
    ...(agent && { agent }),
    handshakeTimeout: handshakeTimeoutMs,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
  });
  socket.binaryType = 'nodebuffer';
  return await new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(abortReason(signal));
      socket.terminate();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('close', () => signal?.removeEventListener('abort', onAbort));
    socket.once('open', () => resolve({ kind: 'open', socket: attend(socket, options) }));
    // Also after it was refused or aborted: without a listener, the error of the connection would end the program.
    socket.on('error', (error) => reject(error));
    socket.once('unexpected-response', (request, response) => {
      signal?.removeEventListener('abort', onAbort);
      void readRefusal(request, response, resolve);
    });
  });
}

function attend(socket: WebSocket, { pingEveryMs = 20_000, silenceMs = 60_000, ...options }: WebSocketClientOptions) {
  let broken: string | undefined;
  const pings = setInterval(() => socket.ping(), pingEveryMs);
  let silence: NodeJS.Timeout | undefined;
  const listen = (): void => {
    silence = setTimeout(() => {
      broken = `nothing came for ${silenceMs / 1000} s`;
      socket.terminate();
    }, silenceMs);
  };
  const heard = (): void => void silence?.refresh();
  listen();
  socket.on('pong', heard);
  socket.on('ping', heard);
  socket.on('message', (data) => {
    heard();
    options.onMessage(bytesOf(data));
  });
  socket.on('error', (error) => (broken ??= error.message));
  socket.on('close', (code, reason) => {
    clearInterval(pings);
    clearTimeout(silence);
    options.onClose(code === 1000 ? undefined : (broken ?? goodbyeText(code, reason)));
  });
  return {
    get protocol(): string {
      return socket.protocol;
    },
    send: (bytes: Buffer): Promise<void> =>
      new Promise((resolve) => {
        if (socket.readyState === socket.OPEN) socket.send(bytes, () => resolve());
        else resolve();
      }),
    pause: (): void => {
      // Pongs are not read either.
      clearTimeout(silence);
      socket.pause();
    },
    resume: (): void => {
      if (!socket.isPaused) return;
      listen();
      socket.resume();
    },
    close: (): void => {
      socket.resume();
      socket.close(1000);
      setTimeout(() => socket.terminate(), goodbyeMs).unref();
    },
  } satisfies WebSocketClient;
}

function goodbyeText(code: number, reason: Buffer): string {
  const said = reason.toString('utf8');
  if (code === 1006) return 'the connection was lost';
  return said === '' ? `the server closed it (${code})` : `the server closed it (${code}: ${said})`;
}

function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error('aborted');
}

async function readRefusal(
  request: ClientRequest,
  response: IncomingMessage,
  resolve: (refusal: WebSocketOpening) => void,
): Promise<void> {
  let body = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      body += String(chunk);
      if (body.length > maxBodyBytes) break;
    }
  } catch {
    // What came has to do.
  }
  const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
  resolve({ kind: 'refused', status: response.statusCode ?? 0, headers, body: body.slice(0, maxBodyBytes) });
  request.destroy();
}
