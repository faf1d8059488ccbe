import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { CertificateAuthority } from '../certificates.ts';
import { authorize, type Accounts } from './accounts.ts';
import type { Cluster } from './context.ts';
import { startExec } from './exec.ts';
import { requestInfo } from './request-info.ts';
import { handleRequest } from './server.ts';
import { ApiError, badRequest, internalError } from './status.ts';

export interface ListenerParts {
  cluster: Cluster;
  accounts: Accounts;
  certificates: CertificateAuthority;
  /** Sub-protocols of exec, the favourite first. */
  execProtocols: readonly string[];
}

/** The server on loopback: HTTPS, and WebSockets for exec. */
export class ApiListener {
  readonly #parts: ListenerParts;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  #connections = new Set<Duplex>();
  #execs = new Set<WebSocket>();
  #port = 0;

  constructor(parts: ListenerParts) {
    this.#parts = parts;
    const { cluster, accounts, certificates, execProtocols } = parts;
    const { key, certificate } = certificates.forServer();
    const ca = certificates.certificate;
    this.#server = createServer({ key, cert: certificate, ca, requestCert: true, rejectUnauthorized: false });
    this.#sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: (offered) => execProtocols.find((name) => offered.has(name)) ?? false,
    });
    this.#server.on('secureConnection', (socket) => {
      this.#connections.add(socket);
      socket.once('close', () => this.#connections.delete(socket));
      socket.on('error', () => undefined);
    });
    this.#server.on('request', (request, response) => void handleRequest(cluster, accounts, request, response));
    this.#server.on('upgrade', (request, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket, head).catch((error: unknown) => refuseUpgrade(socket, error));
    });
  }

  get port(): number {
    return this.#port;
  }

  /** Listens: at the first time on any port, then on the same again. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Takes no connections any more, and cuts those there are. */
  async silence(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cutConnections();
    await closed;
  }

  cutConnections(): void {
    for (const socket of this.#connections) socket.destroy();
  }

  cutExecs(): void {
    for (const webSocket of this.#execs) webSocket.terminate();
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { cluster, accounts, execProtocols } = this.#parts;
    const info = requestInfo(request);
    const account = accounts.authenticate(request);
    await cluster.faults.beforeRequest(info);
    authorize(account, info);
    if (info.kind === 'path' || info.plural !== 'pods' || info.subresource !== 'exec')
      throw badRequest('no such stream');
    const { upgrade = '', 'sec-websocket-protocol': protocols = '' } = request.headers;
    if (upgrade.toLowerCase() !== 'websocket') {
      throw badRequest(`unable to upgrade: the stand-in has WebSockets only, not ${upgrade}`);
    }
    const offered = protocols.split(/\s*,\s*/);
    if (!execProtocols.some((name) => offered.includes(name))) {
      const text = `unable to upgrade: none of the sub-protocols is known: ${offered.join(', ')}`;
      throw new ApiError(403, 'Forbidden', text);
    }
    const webSocket = await startExec(cluster, this.#sockets, info, request, socket, head);
    this.#execs.add(webSocket);
    webSocket.once('close', () => this.#execs.delete(webSocket));
    webSocket.on('error', () => undefined);
  }
}

/** The answer to a request for an upgrade that is not granted. */
function refuseUpgrade(socket: Duplex, error: unknown): void {
  const { status } = error instanceof ApiError ? error : internalError(String(error));
  const body = JSON.stringify(status);
  const retryAfter = status.details?.retryAfterSeconds;
  const lines = [
    `HTTP/1.1 ${status.code} ${status.reason}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    ...(retryAfter === undefined ? [] : [`retry-after: ${retryAfter}`]),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
