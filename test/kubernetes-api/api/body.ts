import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { parse } from 'yaml';
import { ApiError, badRequest } from './status.ts';

const bodyLimit = 3 * 1024 * 1024;

/** Reads a body of JSON or YAML; undefined for none. Throws 400, 413, 415. */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const bytes = await buffer(request);
  if (bytes.length === 0) return undefined;
  if (bytes.length > bodyLimit) {
    throw new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${bodyLimit}`);
  }
  const type = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim() ?? '';
  if (!/json|yaml/.test(type)) {
    throw new ApiError(415, 'UnsupportedMediaType', `the body of the request was in an unknown format - ${type}`);
  }
  const text = bytes.toString('utf8');
  try {
    return type.includes('yaml') ? parse(text) : JSON.parse(text);
  } catch (error: unknown) {
    throw badRequest(`couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : ''}`);
  }
}
