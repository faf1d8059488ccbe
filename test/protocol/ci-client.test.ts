import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createTransport, type HttpTransport } from '../../src/http/index.ts';
import { RemoteError } from '../../src/lib/index.ts';
import { CiAgentClient, finishedBody, postCallback, pushLog, userAgentOf } from '../../src/protocol/ci/index.ts';
import { registration } from '../ci-hub/index.ts';

interface Spoken {
  port: number;
  /** Requests as they came over the wire. */
  requests: string[];
}

/** A server that takes requests byte for byte and gives the answers in order. */
async function speak(...answers: string[]): Promise<Spoken> {
  const spoken: Spoken = { port: 0, requests: [] };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      text += chunk.toString();
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      const end = text.indexOf('\r\n\r\n');
      if (end === -1 || text.length < end + 4 + length) return;
      spoken.requests.push(text);
      text = '';
      socket.write(answers[spoken.requests.length - 1] ?? 'HTTP/1.1 500 Nothing Left\r\ncontent-length: 0\r\n\r\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  spoken.port = (server.address() as AddressInfo).port;
  return spoken;
}

function answer(status: number, body: string, headers = ''): string {
  return `HTTP/1.1 ${status} Whatever\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

async function transportOf(): Promise<HttpTransport> {
  const transport = await createTransport({ env: {} });
  onTestFinished(() => transport.close());
  return transport;
}

async function clientOf(port: number): Promise<CiAgentClient> {
  return new CiAgentClient({
    transport: await transportOf(),
    endpoint: `127.0.0.1:${port}`,
    noHttps: true,
    version: 'v9.9.9',
    registrationToken: 'rt-5f0c',
  });
}

/** Head and body without what belongs to HTTP itself. */
function shown(request: string | undefined): { line: string; headers: Record<string, string>; body: string } {
  const [head = '', body = ''] = (request ?? '').split('\r\n\r\n');
  const [line = '', ...rest] = head.split('\r\n');
  const headers = Object.fromEntries(
    rest.map((header) => [
      header.slice(0, header.indexOf(':')).toLowerCase(),
      header.slice(header.indexOf(':') + 1).trim(),
    ]),
  );
  for (const name of ['host', 'connection', 'accept-encoding']) delete headers[name];
  return { line, headers, body };
}

async function failureOf(promise: Promise<unknown>): Promise<RemoteError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RemoteError)) throw new Error(`no RemoteError: ${String(error)}`);
  return error;
}

const ua = 'SemaphoreAgent/v9.9.9';
const sync = { state: 'waiting-for-jobs', jobId: '', jobResult: '', interruptedAt: 0 } as const;

describe('the agent’s requests, byte for byte (spec CI 2.1 to 2.6)', () => {
  it('register: the registration token, all keys in order, no content type', async () => {
    const server = await speak(answer(201, '{"name":"n","token":"t"}'));
    const client = await clientOf(server.port);
    expect(await client.register({ ...registration, interruptionGracePeriod: 60 })).toEqual({ name: 'n', token: 't' });
    expect(shown(server.requests[0])).toEqual({
      line: 'POST /api/v1/self_hosted_agents/register HTTP/1.1',
      headers: { authorization: 'Token rt-5f0c', 'user-agent': ua, 'content-length': '206' },
      body:
        '{"name":"builder-eu-07","version":"v9.9.9","pid":4711,"os":"Debian GNU/Linux 12 (bookworm)","arch":"x86_64",' +
        '"hostname":"eu-07","single_job":false,"idle_timeout":0,"interruption_grace_period":60,"job_id":""}',
    });
  });

  it('sync, job, refresh and disconnect: the access token, and what the tables say', async () => {
    const server = await speak(
      answer(200, '{"name":"n","token":"t"}'),
      answer(200, '{"action":"run-job","job_id":"J","next_sync_after":4321,"unknown":{}}'),
      answer(200, '{"job_id":"J"}'),
      answer(200, '{"token":"new"}'),
      answer(200, 'disconnected'),
    );
    const client = await clientOf(server.port);
    await client.register(registration);
    expect(await client.sync({ state: 'finished-job', jobId: 'J/1', jobResult: 'failed', interruptedAt: 17 })).toEqual({
      action: 'run-job',
      jobId: 'J',
      shutdownReason: '',
      nextSyncAfterMs: 4321,
    });
    expect((await client.getJob('J/1')).jobId).toBe('J');
    expect(await client.refresh()).toBe('new');
    await client.disconnect();
    const [, synced, got, refreshed, disconnected] = server.requests.map(shown);
    const headers = { authorization: 'Token t', 'user-agent': ua };
    const body = '{"state":"finished-job","job_id":"J/1","job_result":"failed","interrupted_at":17}';
    expect(synced).toEqual({
      line: 'POST /api/v1/self_hosted_agents/sync HTTP/1.1',
      headers: { ...headers, 'content-length': String(body.length) },
      body,
    });
    expect(got).toEqual({ line: 'GET /api/v1/self_hosted_agents/jobs/J%2F1 HTTP/1.1', headers, body: '' });
    expect(refreshed).toEqual({
      line: 'POST /api/v1/self_hosted_agents/refresh HTTP/1.1',
      headers: { ...headers, 'content-length': '0' },
      body: '',
    });
    expect(disconnected).toMatchObject({ line: 'POST /api/v1/self_hosted_agents/disconnect HTTP/1.1', body: '' });
  });

  it('takes empty names and tokens, and JSON that is called HTML', async () => {
    const html = 'content-type: text/html;charset=utf-8\r\n';
    const server = await speak(answer(200, '{"access_token":"x"}', html), answer(200, '{"ACTION":"continue"}', html));
    const client = await clientOf(server.port);
    expect(await client.register(registration)).toEqual({ name: '', token: '' });
    expect(await client.sync(sync)).toEqual({ action: 'continue', jobId: '', shutdownReason: '', nextSyncAfterMs: 0 });
    expect(server.requests[1]).toMatch(/^authorization: Token ?\r$/im);
  });

  it('log lines: Bearer, text/plain, start_from appended to the URL', async () => {
    const server = await speak(answer(200, ''));
    const url = `http://127.0.0.1:${server.port}/api/v1/logs/J`;
    const transport = await transportOf();
    await pushLog(transport, { url, token: 'jwt', startFrom: 2000, body: '{"event":"job_started"}\n', userAgent: ua });
    expect(shown(server.requests[0])).toEqual({
      line: 'POST /api/v1/logs/J?start_from=2000 HTTP/1.1',
      headers: {
        authorization: 'Bearer jwt',
        'user-agent': ua,
        'content-type': 'text/plain',
        'content-length': '24',
      },
      body: '{"event":"job_started"}\n',
    });
  });

  it('callbacks: exact bodies, a token only when there is one, any 2xx', async () => {
    const server = await speak(answer(204, ''), answer(200, 'x'), answer(302, '', 'location: /y\r\n'));
    const url = `http://127.0.0.1:${server.port}/finished`;
    const transport = await transportOf();
    const userAgent = userAgentOf('v9.9.9');
    await postCallback(transport, { url, token: 'cb', body: finishedBody('passed'), userAgent });
    await postCallback(transport, { url, token: '', body: '{}', userAgent });
    expect(server.requests.map(shown)).toEqual([
      {
        line: 'POST /finished HTTP/1.1',
        headers: { authorization: 'Bearer cb', 'user-agent': ua, 'content-length': '20' },
        body: '{"result": "passed"}',
      },
      { line: 'POST /finished HTTP/1.1', headers: { 'user-agent': ua, 'content-length': '2' }, body: '{}' },
    ]);
    expect(await failureOf(postCallback(transport, { url, token: '', body: '{}', userAgent }))).toMatchObject({
      status: 302,
    });
    expect((await failureOf(postCallback(transport, { url: '', token: '', body: '{}', userAgent }))).message).toContain(
      'not a URL: (empty)',
    );
  });
});

describe('what the agent makes of refusals', () => {
  it('only 200 is success for everything but the registration', async () => {
    const created = answer(201, '{"token":"x","action":"continue"}');
    const server = await speak(created, created, created, created, created);
    const client = await clientOf(server.port);
    const all = [() => client.sync(sync), () => client.getJob('J'), () => client.refresh(), () => client.disconnect()];
    for (const ask of all) {
      const failure = await failureOf(ask());
      expect(failure).toMatchObject({ kind: 'rejected', status: 201 });
      expect(failure.message).not.toContain('token":');
    }
    const transport = await transportOf();
    const push = { url: `http://127.0.0.1:${server.port}/l`, token: '', startFrom: 0, body: '{}\n', userAgent: ua };
    expect(await failureOf(pushLog(transport, push))).toMatchObject({ status: 201 });
  });

  it.each([
    [401, 'unauthorized', 'the server does not know this agent (401: no)'],
    [404, 'not_found', 'the server does not know this agent (404: no)'],
    [422, 'rejected', 'the server refused the sync (422: no)'],
    [500, 'rejected', 'the server refused the sync (500: no)'],
    [503, 'busy', 'the server is busy or not ready (503: no)'],
  ])('%i to a sync is %s', async (status, kind, message) => {
    const server = await speak(answer(status, 'no'));
    const client = await clientOf(server.port);
    expect(await failureOf(client.sync(sync))).toMatchObject({ kind, status, message });
  });

  it('quotes why a registration was refused, but no token', async () => {
    const server = await speak(answer(400, 'name in use,\n token rt-5f0c'));
    const failure = await failureOf((await clientOf(server.port)).register(registration));
    expect(failure.message).toBe('the server refused the registration (400: name in use, token ***)');
    expect(failure.hint).toContain('Check token and endpoint');
  });

  it('a web page with 404 does not come from a server that has forgotten the agent', async () => {
    const server = await speak(answer(404, '<!doctype html><title>nginx</title>'));
    expect(await failureOf((await clientOf(server.port)).sync(sync))).toMatchObject({
      kind: 'malformed',
      message: 'something before the server refused the sync (404: nginx)',
    });
  });

  it.each([
    ['{"action":5}', 'other JSON: action: expected string, received number'],
    ['{"action":"cont', 'something that is not JSON (15 bytes)'],
    ['', 'something that is not JSON (0 bytes)'],
    ['<html>', 'a web page'],
  ])('an answer that is none fails: %s', async (body, text) => {
    const server = await speak(answer(200, body));
    const failure = await failureOf((await clientOf(server.port)).sync(sync));
    expect(failure).toMatchObject({ kind: 'malformed', retryable: true });
    expect(failure.message).toContain(text);
  });

  it('a job with a wrong type names the place, and quotes nothing', async () => {
    const server = await speak(answer(200, '{"env_vars":[{"name":"A","value":12345}]}'));
    const failure = await failureOf((await clientOf(server.port)).getJob('J'));
    expect(failure.message).toContain('env_vars[0].value: expected string, received number');
    expect(failure.message).not.toContain('12345');
  });

  it('follows no redirect: the other host never sees the token', async () => {
    const other = await speak(answer(200, '{"action":"continue"}'));
    const server = await speak(
      answer(307, '', `location: http://127.0.0.1:${other.port}/api/v1/self_hosted_agents/sync\r\n`),
      answer(301, '', `location: https://127.0.0.1/api/v1/self_hosted_agents/sync\r\n`),
    );
    const client = await clientOf(server.port);
    const failure = await failureOf(client.sync(sync));
    expect(failure.message).toContain(`redirects to http://127.0.0.1:${other.port}/api/v1/self_hosted_agents/sync`);
    expect(failure.hint).toContain(`Set the endpoint to 127.0.0.1:${other.port}`);
    expect(other.requests).toEqual([]);
    expect((await failureOf(client.sync(sync))).hint).toContain('wants HTTPS');
  });

  it('a server that is not there is a RemoteError without a status', async () => {
    const client = await clientOf(1);
    expect(await failureOf(client.sync(sync))).toMatchObject({ kind: 'network', status: undefined });
  });

  it.each(['https://ci.example.com', 'ci.example.com/path', 'a b', ''])(
    'refuses the endpoint "%s"',
    async (endpoint) => {
      const transport = await transportOf();
      expect(() => new CiAgentClient({ transport, endpoint, version: 'v1', registrationToken: '' })).toThrow(
        'the endpoint is not a host',
      );
    },
  );
});
