import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { isIPv6 } from 'node:net';
import { codeOf, messageOf, UserError } from '../../lib/index.ts';
import type { TlsIdentity } from './tls-identity.ts';

export interface HttpsServerOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  identity: TlsIdentity;
  serve: (request: IncomingMessage, response: ServerResponse) => void;
  /** Told when connections cannot be accepted; the server goes on. */
  onError: (error: Error) => void;
}

export interface HttpsServer {
  url: string;
  port: number;
  /** Takes no new connection, lets running answers end for a moment, closes the rest. */
  close(): Promise<void>;
}

/**
 * The limits of the original, milliseconds (spec CI 3.1). Instead of its 5 s for writing, which cut off long logs, a connection is
 * closed when nothing has moved on it for a while.
 */
const limits = { headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 30_000 };
const stalledMs = 60_000;
/** How often Node.js looks for connections over their limits. */
const connectionsCheckingInterval = 1000;
const closeGraceMs = 2000;

/** Serves HTTPS, TLS 1.2 and later, HTTP/1.1. Throws UserError when the address cannot be had. */
export async function openHttpsServer(options: HttpsServerOptions): Promise<HttpsServer> {
  const { host, identity, serve, onError } = options;
  let server: Server;
  try {
    const tls = { ...identity, minVersion: 'TLSv1.2' as const, handshakeTimeout: limits.headersTimeout };
    server = createServer({ ...tls, ...limits, connectionsCheckingInterval }, serve);
  } catch (error: unknown) {
    throw new UserError(`the TLS certificate and its key cannot be used: ${messageOf(error)}`, { cause: error });
  }
  server.setTimeout(stalledMs);
  await bind(server, options);
  // Without a listener a single connection that cannot be accepted would take the process down.
  server.on('error', onError);
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : options.port;
  return { url: `https://${urlHost(host)}:${port}`, port, close: () => close(server) };
}

function bind(server: Server, { host, port }: HttpsServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: Error): void => {
      const code = codeOf(error) ?? '';
      const why = {
        EADDRINUSE: 'the port is in use',
        EACCES: 'no permission',
        EADDRNOTAVAIL: 'this machine has no such address',
      }[code];
      const hint = code === 'EADDRINUSE' ? { hint: 'Stop the other program, or choose another `--port`.' } : {};
      const text = `cannot listen on ${isIPv6(host) ? `[${host}]` : host}:${port}: ${why ?? error.message}`;
      reject(new UserError(text, { cause: error, ...hint }));
    };
    server.once('error', refuse);
    server.listen(port, host, () => {
      server.off('error', refuse);
      resolve();
    });
  });
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const deadline = setTimeout(() => server.closeAllConnections(), closeGraceMs);
  await closed;
  clearTimeout(deadline);
}

/** Where this machine reaches it. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return isIPv6(host) ? `[${host}]` : host;
}
