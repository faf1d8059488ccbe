import type { IncomingMessage } from 'node:http';
import { RefusedRequest } from './reply.ts';

/** How long, and how much of, a body that is too large is read and thrown away before the refusal is sent. */
const DISCARD_MS = 10_000;
const DISCARD_FACTOR = 4;

/**
 * Reads a whole body. Throws RefusedRequest 413 when it is longer than `maxBytes`, 400 when the peer breaks off.
 *
 * A refused body is read to its end all the same (within bounds): a client that is still writing when the connection closes sees a
 * reset instead of the answer, and could not learn that it must send less.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const announced = Number(request.headers['content-length'] ?? Number.NaN);
    // One allocation when the length is known: a body may be tens of megabytes.
    const whole = announced <= maxBytes ? Buffer.allocUnsafe(announced) : undefined;
    let chunks: Buffer[] = [];
    let size = 0;
    let giveUp: NodeJS.Timeout | undefined;

    function settle(): void {
      clearTimeout(giveUp);
      request.off('data', onData).off('end', onEnd).off('close', onBroken).off('error', onBroken);
    }
    function refuse(): void {
      settle();
      request.resume();
      reject(new RefusedRequest(413, `the request body is larger than ${maxBytes} bytes`));
    }
    function startDiscarding(): void {
      chunks = [];
      giveUp ??= setTimeout(refuse, DISCARD_MS);
      if (size > maxBytes * DISCARD_FACTOR) refuse();
    }
    function onData(chunk: Buffer): void {
      size += chunk.length;
      if (whole) chunk.copy(whole, size - chunk.length);
      else if (size > maxBytes) startDiscarding();
      else chunks.push(chunk);
    }
    function onEnd(): void {
      if (size > maxBytes) return refuse();
      settle();
      resolve(whole ?? Buffer.concat(chunks, size));
    }
    function onBroken(): void {
      settle();
      reject(new RefusedRequest(400, 'the request body broke off'));
    }

    // A peer that left before somebody asked for the body sends no event any more.
    if (request.destroyed) return onBroken();
    if (announced > maxBytes) startDiscarding();
    request.on('data', onData).on('end', onEnd).on('close', onBroken).on('error', onBroken);
  });
}
