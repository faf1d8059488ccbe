import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A host that has no business with the runner, and writes down whatever it gets. */
export interface OtherHost {
  url: string;
  received: { method: string; url: string; headers: IncomingHttpHeaders; body: string }[];
}

/** Listens on a free port of the loopback; closed with the test. */
export async function startOtherHost(): Promise<OtherHost> {
  const host: OtherHost = { url: '', received: [] };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      host.received.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"token":"stolen"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  host.url = `http://localhost:${(server.address() as AddressInfo).port}`;
  return host;
}
