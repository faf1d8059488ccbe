import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UserError } from '../lib/index.ts';

/** What a handler answers with, as a plain value. */
export interface Reply {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: string | Buffer | Readable;
}

/** Thrown by a handler when a request cannot be served; the router answers with the status and `{"error": message}`. */
export class RefusedRequest extends UserError {
  override name = 'RefusedRequest';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function json(value: unknown, status = 200): Reply {
  return jsonText(JSON.stringify(value), status);
}

/** A body that is JSON text already. */
export function jsonText(body: string, status = 200): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body };
}

export function text(body: string | Readable, status = 200): Reply {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

export function noContent(): Reply {
  return { status: 204 };
}

/** `{"error": message}`, the form in which Semaphore servers refuse. */
export function problem(status: number, message: string): Reply {
  return json({ error: message }, status);
}

/** Writes a reply; resolves when it was handed to the socket, rejects when a streamed body fails half-way. */
export async function sendReply(response: ServerResponse, reply: Reply, options: { headOnly: boolean }): Promise<void> {
  const { body } = reply;
  const sized = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
  const length = sized && body !== undefined ? Buffer.byteLength(body) : 0;
  response.writeHead(reply.status, {
    ...reply.headers,
    // A 204 must not have a length; a stream is sent in chunks.
    ...(sized && reply.status !== 204 && reply.status !== 304 ? { 'content-length': length } : {}),
  });
  if (sized) {
    response.end(options.headOnly ? undefined : body);
  } else if (options.headOnly) {
    body.destroy();
    response.end();
  } else {
    await pipeline(body, response);
  }
}
