import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';

/** One connected WebSocket; texts only. */
export interface WebSocketPeer {
  /** Queues a text; a peer that lets too much pile up is dropped. Nothing happens once it is closed. */
  send(text: string): void;
  close(): void;
  onMessage(listener: (text: string) => void): void;
  /** Called once, whoever closed. */
  onClose(listener: () => void): void;
}

export interface WebSocketLimits {
  /** @default 54 s, as the original's server does */
  pingEveryMs?: number;
  /** A peer from which nothing came for so long, not even a pong, is dropped. @default 60 s */
  silenceMs?: number;
  /** Bytes that may wait for a slow peer. @default 4 MiB */
  maxBufferedBytes?: number;
}

/** Longest message that a peer may send. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

export interface WebSocketHub {
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, onConnection: (peer: WebSocketPeer) => void): void;
  /** Says goodbye to every peer (1001, "going away") and drops those that do not answer. */
  close(): void;
}

/** Loads `ws` and makes the server half of WebSockets on connections that the router let through. */
export async function createWebSocketHub(limits: WebSocketLimits = {}): Promise<WebSocketHub> {
  const ws = await import('ws');
  const server = new ws.WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_MESSAGE_BYTES });
  return {
    accept: (request, socket, head, onConnection) => {
      server.handleUpgrade(request, socket, head, (client) => onConnection(attend(client, limits)));
    },
    close: () => closeAll(server),
  };
}

function closeAll(server: WebSocketServer): void {
  for (const client of server.clients) {
    client.close(1001);
    setTimeout(() => client.terminate(), 1000).unref();
  }
  server.close();
}

function attend(client: WebSocket, limits: WebSocketLimits): WebSocketPeer {
  const { pingEveryMs = 54_000, silenceMs = 60_000, maxBufferedBytes = 4 * 1024 * 1024 } = limits;
  const pings = setInterval(() => client.ping(), pingEveryMs);
  const silence = setTimeout(() => client.terminate(), silenceMs);
  const closeListeners: (() => void)[] = [];
  const heard = (): void => void silence.refresh();

  client.on('pong', heard);
  client.on('ping', heard);
  client.on('message', heard);
  // A protocol violation or a reset; ws closes the connection by itself, and 'close' follows.
  client.on('error', () => client.terminate());
  client.on('close', () => {
    clearInterval(pings);
    clearTimeout(silence);
    for (const listener of closeListeners) listener();
  });

  return {
    send: (text) => {
      if (client.readyState !== client.OPEN) return;
      client.send(text);
      if (client.bufferedAmount > maxBufferedBytes) client.terminate();
    },
    close: () => client.close(1000),
    onMessage: (listener) => {
      client.on('message', (data, isBinary) => {
        if (!isBinary && Buffer.isBuffer(data)) listener(data.toString('utf8'));
      });
    },
    onClose: (listener) => void closeListeners.push(listener),
  };
}
