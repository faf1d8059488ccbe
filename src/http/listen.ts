import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { codeOf, messageOf, UserError } from '../lib/index.ts';
import type { Reply } from './reply.ts';
import type { Router } from './router.ts';
import { createWebSocketHub, type WebSocketHub, type WebSocketLimits } from './websocket.ts';

export interface ListenOptions {
  host: string;
  /** 0 takes a free port. */
  port: number;
  router: Router;
  /** PEM of the certificate chain and its key: serve HTTPS. */
  tls?: { cert: string; key: string };
  /** How long `close` waits for requests that are being served. @default 5 s */
  closeGraceMs?: number;
  webSocket?: WebSocketLimits;
  /** Told when connections cannot be accepted, for want of file descriptors, say; the server goes on. */
  onError?: (error: Error) => void;
}

export interface Listener {
  /** Base URL without a trailing slash; loopback when all addresses are listened on. */
  url: string;
  port: number;
  /** Takes no new connection, lets running requests end within the grace time, closes the rest. */
  close(): Promise<void>;
}

/** Longer than any poller's interval, so that a runner's connection survives between two polls. */
const KEEP_ALIVE_MS = 75_000;

/** Serves a router over HTTP. Throws UserError when the address cannot be had. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { router } = options;
  let closing = false;
  let hub: Promise<WebSocketHub> | undefined;

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    response.once('close', () => {
      if (closing) setImmediate(() => server.closeIdleConnections());
    });
    if (closing) response.setHeader('connection', 'close');
    void router.serve(request, response);
  };
  const server = createHttpServer(options.tls, serve);

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const decision = await router.decideUpgrade(request);
    if (decision.kind === 'refused') return refuseUpgrade(socket, decision.reply);
    hub ??= createWebSocketHub(options.webSocket);
    const accepting = await hub;
    if (closing) socket.destroy();
    else accepting.accept(request, socket, head, decision.onConnection);
  }

  server.on('upgrade', (request, socket, head) => {
    // Without a listener a peer that resets during the handshake would take the process down.
    socket.on('error', () => socket.destroy());
    void upgrade(request, socket, head);
  });

  await bind(server, options);
  // Without a listener a single connection that cannot be accepted would take the process down.
  server.on('error', (error) => options.onError?.(error));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : options.port;
  let closed: Promise<void> | undefined;
  return {
    url: `${options.tls ? 'https' : 'http'}://${urlHost(options.host)}:${port}`,
    port,
    close: () => {
      closing = true;
      closed ??= closeGracefully(server, hub, options.closeGraceMs ?? 5000);
      return closed;
    },
  };
}

function createHttpServer(tls: ListenOptions['tls'], serve: RequestListener): Server {
  const keepAlive = { keepAliveTimeout: KEEP_ALIVE_MS };
  if (!tls) return createServer(keepAlive, serve);
  try {
    return createTlsServer({ ...keepAlive, ...tls }, serve);
  } catch (error: unknown) {
    throw new UserError(`the certificate and its key cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

function bind(server: Server, { host, port }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    function refuse(error: Error): void {
      const why =
        {
          EADDRINUSE: 'the port is in use',
          EACCES: 'no permission',
          EADDRNOTAVAIL: 'this machine has no such address',
        }[codeOf(error) ?? ''] ?? error.message;
      const hint = codeOf(error) === 'EADDRINUSE' ? 'Stop the other program or choose another port.' : undefined;
      reject(
        new UserError(`cannot listen on ${urlHost(host)}:${port}: ${why}`, { cause: error, ...(hint ? { hint } : {}) }),
      );
    }
    server.once('error', refuse);
    server.listen(port, host, () => {
      server.off('error', refuse);
      resolve();
    });
  });
}

async function closeGracefully(server: Server, hub: Promise<WebSocketHub> | undefined, graceMs: number): Promise<void> {
  const ended = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  (await hub)?.close();
  const deadline = setTimeout(() => server.closeAllConnections(), graceMs);
  await ended;
  clearTimeout(deadline);
}

function refuseUpgrade(socket: Duplex, reply: Reply): void {
  const body = typeof reply.body === 'string' ? reply.body : '';
  const head = [
    `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ''}`,
    'connection: close',
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(reply.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return isIPv6(host) ? `[${host}]` : host;
}
