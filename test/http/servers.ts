import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server as TcpServer,
  type Socket,
} from 'node:net';
import { Agent } from 'node:http';

/** Real servers on loopback for the transport's tests; closed together at the end of each test. */

const running: (() => Promise<void>)[] = [];

export async function closeServers(): Promise<void> {
  await Promise.all(running.splice(0).map((close) => close()));
}

async function start(server: TcpServer, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  running.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  );
  return (server.address() as AddressInfo).port;
}

export interface TestServer {
  port: number;
  /** `http://127.0.0.1:port` or `https://localhost:port`. */
  url: string;
  /** Connections accepted so far. */
  connections: () => number;
}

function counted(server: Server | TcpServer): () => number {
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  return () => connections;
}

/** An HTTP server; HTTPS with `tls`. `host` may be `::1`. */
export async function serveHttp(listener: RequestListener, tls?: ServerOptions, host?: string): Promise<TestServer> {
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  const connections = counted(server);
  const port = await start(server, host);
  return { port, url: tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`, connections };
}

/** A server that does not speak HTTP, or its own kind of it. */
export async function serveTcp(onSocket: (socket: Socket, count: number) => void): Promise<TestServer> {
  let count = 0;
  const server = createTcpServer((socket) => {
    count += 1;
    onSocket(socket, count);
  });
  const port = await start(server);
  return { port, url: `http://127.0.0.1:${port}`, connections: () => count };
}

export interface TestProxy extends TestServer {
  /** Request lines seen: "CONNECT semaphore.test:443", "GET http://semaphore.test/x". */
  seen: string[];
}

export interface TestProxyOptions {
  /** `user:password` that must be given. */
  credentials?: string;
  tls?: ServerOptions;
  /** Status that every CONNECT is refused with. */
  refuse?: number;
  /** Takes requests and never answers them. */
  hang?: boolean;
}

/** A forward proxy: CONNECT and absolute URLs. Every name that it is asked for is on this machine. */
export async function serveProxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  const seen: string[] = [];
  const agent = new Agent({ keepAlive: false });

  function allowed(request: IncomingMessage): boolean {
    if (options.credentials === undefined) return true;
    const expected = `Basic ${Buffer.from(options.credentials).toString('base64')}`;
    return request.headers['proxy-authorization'] === expected;
  }

  const forward: RequestListener = (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    if (options.hang) return;
    if (!allowed(request)) {
      response.writeHead(407, { 'proxy-authenticate': 'Basic realm="proxy"' });
      response.end();
      return;
    }
    const target = new URL(request.url ?? '');
    const { 'proxy-authorization': _hop, ...headers } = request.headers;
    const onward = httpRequest(
      {
        agent,
        host: '127.0.0.1',
        port: target.port,
        path: target.pathname + target.search,
        method: request.method,
        headers,
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => {
      response.writeHead(502);
      response.end();
    });
    request.pipe(onward);
  };

  const server = options.tls ? createTlsServer(options.tls, forward) : createServer(forward);
  server.on('connect', (request, socket, head) => {
    seen.push(`CONNECT ${request.url}`);
    socket.on('error', () => socket.destroy());
    if (options.hang) return;
    const refusal = allowed(request) ? options.refuse : 407;
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const port = Number(/:(\d+)$/.exec(request.url ?? '')?.[1]);
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  });
  const connections = counted(server);
  const port = await start(server);
  return { port, url: `${options.tls ? 'https' : 'http'}://localhost:${port}`, connections, seen };
}

/** A port that nobody listens on, for a server that cannot choose one itself. */
export async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
