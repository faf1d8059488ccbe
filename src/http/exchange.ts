import type { ClientRequest, IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Got } from 'got';
import { codeOf, messageOf } from '../lib/index.ts';
import type { WayOut } from './ways-out.ts';
import type { HttpRequest, HttpResponse } from './types.ts';

/** How one attempt at a request ended. */
export type Exchange =
  | { kind: 'answered'; response: HttpResponse }
  /** The answer is longer than the caller allows. */
  | { kind: 'too_long' }
  /** `stale`: a kept-alive connection turned out to be closed, and no byte of an answer came: the server did not take the request. */
  | { kind: 'failed'; error: unknown; stale: boolean };

const resets: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

/** One request and its whole answer, once, through got. Never rejects. */
export function exchange(got: Got, way: WayOut, request: HttpRequest, timeoutMs: number): Promise<Exchange> {
  return new Promise((resolve) => {
    // A stream, because only there the size of the decompressed answer can be bounded while it arrives.
    const stream = got.stream(request.url, {
      method: request.method,
      headers: request.headers,
      agent: way.agents,
      ...(way.request ? { request: way.request } : {}),
      ...(request.body === undefined ? {} : { body: request.body }),
      ...(request.signal ? { signal: request.signal } : {}),
    });
    const watch = new ConnectionWatch();
    const chunks: Buffer[] = [];
    let size = 0;
    let head: { statusCode: number; headers: IncomingHttpHeaders } | undefined;

    // got's own limit waits for a socket, which a proxy that does not answer to CONNECT never gives.
    const timer = setTimeout(() => stream.destroy(new TimeLimit()), timeoutMs);

    function end(ended: Exchange): void {
      clearTimeout(timer);
      resolve(ended);
      // Also after a complete answer: only then got lets go of the caller's signal, which lives as long as the program.
      stream.destroy();
    }
    function answered(): void {
      if (!head) return;
      const { statusCode: status, headers } = head;
      end({ kind: 'answered', response: { status, headers: flatten(headers), body: Buffer.concat(chunks, size) } });
    }

    stream.on('request', (sent: ClientRequest) => watch.attach(sent));
    stream.on('response', (response: { statusCode: number; headers: IncomingHttpHeaders }) => {
      head = response;
    });
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= request.maxResponseBytes) chunks.push(chunk);
      else end({ kind: 'too_long' });
    });
    stream.on('end', answered);
    stream.on('error', (error: unknown) => {
      const reset = resets.has(codeOf(error) ?? '');
      // A server that refuses a large request early closes while we still write; its refusal is the answer all the same.
      if (reset && head && head.statusCode >= 400) answered();
      else end({ kind: 'failed', error: withoutRequest(error), stale: reset && watch.stale });
    });
    // got leaves the request open for a body to be piped in when the method may have one and none was given.
    if (request.body === undefined && request.method !== 'GET') stream.end();
  });
}

/** The error without got's wrapping, which holds the whole request, headers with tokens included. */
function withoutRequest(error: unknown): unknown {
  if (error instanceof Error && error.cause instanceof Error) return error.cause;
  return Object.assign(new Error(messageOf(error)), { code: codeOf(error) });
}

class TimeLimit extends Error {
  readonly code = 'ETIMEDOUT';
}

/** Knows whether a request went over a connection that had served another before, and whether anything came back. */
class ConnectionWatch {
  #request: ClientRequest | undefined;
  #socket: Socket | undefined;
  #readBefore = 0;

  attach(request: ClientRequest): void {
    this.#request = request;
    request.once('socket', (socket) => {
      this.#socket = socket;
      this.#readBefore = socket.bytesRead;
    });
  }

  get stale(): boolean {
    return this.#request?.reusedSocket === true && this.#socket?.bytesRead === this.#readBefore;
  }
}

function flatten(headers: IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}
