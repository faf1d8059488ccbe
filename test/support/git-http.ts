import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface GitHttpOptions {
  /** Directory whose repositories are served. */
  root: string;
  /** Credentials that are asked for; without them everybody may read. */
  credentials?: { login: string; password: string };
  /** Answers the first requests with these statuses instead, or not at all. */
  failures?: (number | 'silence')[];
  /** Serves https with this certificate. */
  tls?: { key: string; cert: string };
}

export interface GitHttpServer {
  /** `http://127.0.0.1:<port>`, or https. */
  origin: string;
  /** Requests so far: method, URL and `Authorization`, decoded. */
  requests: { method: string; url: string; authorization: string | undefined }[];
}

/** A real git server over HTTP: `git http-backend` as CGI behind node:http, with basic authentication. Ends with the test. */
export async function startGitHttp(options: GitHttpOptions): Promise<GitHttpServer> {
  const requests: GitHttpServer['requests'] = [];
  const failures = [...(options.failures ?? [])];
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const authorization = decodeBasic(request.headers.authorization);
    requests.push({ method: request.method ?? '', url: request.url ?? '', authorization });
    const failure = failures.shift();
    if (failure === 'silence') return;
    if (failure !== undefined) {
      response.writeHead(failure).end();
      return;
    }
    const { credentials } = options;
    if (credentials && authorization !== `${credentials.login}:${credentials.password}`) {
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="test"' }).end();
      return;
    }
    serve(options.root, request, response);
  };
  const server = options.tls ? createTlsServer(options.tls, answer) : createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    origin: `${options.tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
  };
}

function decodeBasic(header: string | undefined): string | undefined {
  return header === undefined ? undefined : Buffer.from(header.replace(/^Basic /, ''), 'base64').toString();
}

function serve(root: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? '', 'http://127.0.0.1');
  const backend = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'] ?? '',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_SYSTEM: '/dev/null',
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_PROJECT_ROOT: root,
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      PATH_INFO: decodeURIComponent(pathname),
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method ?? '',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      ...(request.headers['content-length'] ? { CONTENT_LENGTH: request.headers['content-length'] } : {}),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  request.pipe(backend.stdin);
  backend.stdin.on('error', () => {
    // The backend answers some requests without reading them.
  });
  let head: Buffer | undefined = Buffer.alloc(0);
  backend.stdout.on('data', (chunk: Buffer) => {
    if (!head) {
      response.write(chunk);
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end === -1) return;
    const headers = head
      .subarray(0, end)
      .toString()
      .split('\r\n')
      .map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 1).trim()];
      });
    const status = Number.parseInt(headers.find(([name]) => name === 'Status')?.[1] ?? '200', 10);
    response.writeHead(status, Object.fromEntries(headers.filter(([name]) => name !== 'Status')));
    response.write(head.subarray(end + 4));
    head = undefined;
  });
  backend.stdout.on('end', () => response.end());
}
