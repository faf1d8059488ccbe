import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Seen {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export type Answer =
  | { status: number; headers?: Record<string, string>; body?: string | Buffer }
  | ((response: ServerResponse) => void);

export interface ScriptedServer {
  url: string;
  /** What was asked so far. */
  seen: Seen[];
  /** The answer to everything from now on. */
  answer: (next: Answer) => void;
  close: () => Promise<void>;
}

/** A server that answers what it is told to, right or wrong, on a real socket. */
export async function scriptedServer(): Promise<ScriptedServer> {
  const seen: Seen[] = [];
  let next: Answer = { status: 204 };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      seen.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body });
      if (typeof next === 'function') return next(response);
      response.writeHead(next.status, next.headers);
      response.end(next.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    answer: (answer) => {
      next = answer;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function jsonAnswer(value: unknown, status = 200): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

export function htmlAnswer(title: string, status = 200): Answer {
  const body = `<!DOCTYPE html>\n<html><head><title>\n ${title}\n</title></head><body>x</body></html>`;
  return { status, headers: { 'content-type': 'text/html; charset=utf-8' }, body };
}
