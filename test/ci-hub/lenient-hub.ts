import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** What the hub of the original's end-to-end tests is content with (spec CI 2.1, 2.2, 7.4, appendix EXP:4). */
export interface LenientHub {
  endpoint: string;
  token: string;
  /** `POST /register` and so on, in order. */
  requests: string[];
  /** `Authorization` of the last one. */
  authorization(): string | undefined;
  /** Puts a job into the queue. */
  schedule(request: { job_id: string } & Record<string, unknown>): void;
  /** Lines as they came: whatever is sent again is there twice. */
  lines: string[];
  finished: { id: string; result: string }[];
  shutDown(): void;
}

/**
 * A hub that checks nothing: gives `{"access_token": …}` instead of name and token, calls its JSON text/html, answers 200 to all it knows,
 * 404 to `/refresh`, and appends log lines whatever `start_from` says.
 */
export async function startLenientHub(): Promise<LenientHub> {
  const queue: Record<string, unknown>[] = [];
  const given = new Map<string, Record<string, unknown>>();
  let ends = false;
  let authorization: string | undefined;
  const hub: Omit<LenientHub, 'endpoint'> = {
    token: 'any',
    requests: [],
    authorization: () => authorization,
    schedule: (request) => queue.push(request),
    lines: [],
    finished: [],
    shutDown: () => {
      ends = true;
    },
  };

  function sync(body: string): object {
    const { state, job_id: id, job_result: result } = JSON.parse(body) as Record<string, string>;
    if (state === 'finished-job') {
      hub.finished.push({ id: id ?? '', result: result ?? '' });
      return { action: 'wait-for-jobs' };
    }
    if (state !== 'waiting-for-jobs') return { action: 'continue' };
    if (ends) return { action: 'shutdown' };
    const job = queue.shift();
    if (!job) return { action: 'continue' };
    given.set(String(job['job_id']), job);
    return { action: 'run-job', job_id: job['job_id'] };
  }

  function answer(method: string, path: string, body: string): [number, string] {
    if (path.startsWith('/api/v1/logs/')) {
      hub.lines.push(...body.split('\n').slice(0, -1));
      return [200, ''];
    }
    const rest = path.replace('/api/v1/self_hosted_agents', '');
    if (method === 'GET') return [200, JSON.stringify(given.get(rest.replace('/jobs/', '')))];
    if (rest === '/register') return [200, '{"access_token": "dsjfaklsd123412341"}'];
    if (rest === '/sync') return [200, JSON.stringify(sync(body))];
    return [rest === '/disconnect' ? 200 : 404, ''];
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const [path = ''] = (request.url ?? '').split('?');
      hub.requests.push(`${request.method ?? ''} ${path.replace(/^\/api\/v1(\/self_hosted_agents)?/, '')}`);
      authorization = request.headers.authorization;
      const [code, body] = answer(request.method ?? '', path, Buffer.concat(chunks).toString());
      response.writeHead(code, { 'content-type': 'text/html;charset=utf-8' }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(hub, { endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}` });
}
