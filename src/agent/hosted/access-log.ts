import type { IncomingMessage, ServerResponse } from 'node:http';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * A request and its answer in the common log format (spec CI 1.3): `127.0.0.1 - - [11/Aug/2026:21:07:26 +0000] "GET /status HTTP/1.1" 200 52`.
 * The length is `-` where it was not known beforehand. Tokens are in headers, which are not shown.
 */
export function accessLine(request: IncomingMessage, response: ServerResponse, startedMs: number): string {
  const { method = '-', url = '-', httpVersion, socket } = request;
  const date = new Date(startedMs);
  const day = `${two(date.getUTCDate())}/${months[date.getUTCMonth()] ?? ''}/${date.getUTCFullYear()}`;
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  const line = `${method} ${url} HTTP/${httpVersion}`.replaceAll(/["\\]/g, String.raw`\$&`);
  const length = response.getHeader('content-length') ?? '-';
  return `${socket.remoteAddress ?? '-'} - - [${day}:${time} +0000] "${line}" ${response.statusCode} ${String(length)}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
