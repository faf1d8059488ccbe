import { constants, createPublicKey, generateKeyPairSync, type KeyObject, publicEncrypt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTransport, type HttpTransport } from '../../src/http/index.ts';
import { RemoteError } from '../../src/lib/index.ts';
import { probeServer, UiRunnerClient } from '../../src/protocol/ui/index.ts';
import { htmlAnswer, jsonAnswer, type ScriptedServer, scriptedServer } from './scripted-server.ts';

const token = 'dG9rZW4tdGhhdC1tdXN0LW5vdC1iZS1zZWVu';
const path = '/api/internal/runners';
const example = readFileSync(join(import.meta.dirname, '../fixtures/protocol/get-ansible.json'));
const registration = { registrationToken: 'smrs_secret', maxParallelTasks: 2, enabled: true, tags: [] };

let transport: HttpTransport;
let server: ScriptedServer;

beforeAll(async () => {
  transport = await createTransport({ env: {} });
});
afterAll(() => transport.close());
beforeEach(async () => {
  server = await scriptedServer();
});
afterEach(() => server.close());

function client(
  options: { token?: string | undefined; privateKey?: KeyObject; webHost?: string; timeoutMs?: number } = {},
): UiRunnerClient {
  return new UiRunnerClient({
    transport,
    webHost: options.webHost ?? server.url,
    startedAt: new Date('2026-10-10T08:15:30.987Z'),
    token: () => ('token' in options ? options.token : token),
    timeoutMs: options.timeoutMs ?? 5000,
    privateKey: options.privateKey,
  });
}

async function failure(promise: Promise<unknown>): Promise<RemoteError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RemoteError)) throw new Error('no RemoteError', { cause: error });
  const shown = `${error.hint} ${inspect(error, { depth: 12, showHidden: true })}`;
  expect(shown).not.toContain(token);
  expect(shown).not.toContain('smrs_secret');
  return error;
}

describe('the requests', () => {
  it('GET carries the token and the start time in second precision', async () => {
    server.answer(jsonAnswer({ CurrentJobs: null, new_jobs: null, access_keys: {} }));
    const state = await client().fetchState();
    expect(state).toMatchObject({ currentJobs: [], newJobs: [], problems: [] });
    expect(server.seen).toMatchObject([
      {
        method: 'GET',
        path,
        body: '',
        headers: {
          'x-runner-token': token,
          'x-runner-started-at': '2026-10-10T08:15:30Z',
          'user-agent': 'semaphore',
          accept: 'application/json',
        },
      },
    ]);
    expect(server.seen[0]?.headers).not.toHaveProperty('content-type');
  });

  it('PUT sends text or bytes as they are, and takes the tasks that the server gave up', async () => {
    server.answer({ status: 200, body: '{"Terminated_Jobs":[4711,"12"]}' });
    expect(await client().report('{"Jobs":null}')).toEqual({ terminatedJobs: [4711, 12] });
    expect(await client().report(Buffer.from('{"Jobs":[]}'))).toEqual({ terminatedJobs: [4711, 12] });
    expect(server.seen).toMatchObject([
      {
        method: 'PUT',
        path,
        body: '{"Jobs":null}',
        headers: { 'content-type': 'application/json', 'x-runner-token': token },
      },
      { method: 'PUT', path, body: '{"Jobs":[]}' },
    ]);
  });

  it.each([
    ['204', { status: 204 }],
    ['an empty object', { status: 200, body: '{}' }],
    ['no body', { status: 200 }],
    ['ids that nobody understands', { status: 200, body: '{"terminated_jobs":[{}]}' }],
    ['null', { status: 200, body: '{"terminated_jobs":null}' }],
    ['202', { status: 202, body: '{"more":1}' }],
  ])('PUT is accepted by %s', async (_name, answer) => {
    server.answer(answer);
    expect(await client().report('{}')).toEqual({ terminatedJobs: [] });
  });

  it('POST registers, without a runner token, and with exactly 200', async () => {
    server.answer({ status: 200, body: '{"token":"3pJ0m9m2k3="}' });
    expect(await client({ token: undefined }).register({ ...registration, name: 'eu-1' })).toEqual({
      token: '3pJ0m9m2k3=',
    });
    expect(server.seen[0]).toMatchObject({ method: 'POST', path, headers: { 'content-type': 'application/json' } });
    expect(server.seen[0]?.headers).not.toHaveProperty('x-runner-token');
    expect(JSON.parse(server.seen[0]?.body ?? '')).toEqual({
      registration_token: 'smrs_secret',
      name: 'eu-1',
      max_parallel_tasks: 2,
      enabled: true,
    });
  });

  it('DELETE counts a runner that is not there as removed', async () => {
    server.answer({ status: 204 });
    expect(await client().unregister()).toEqual({ wasKnown: true });
    expect(server.seen[0]).toMatchObject({ method: 'DELETE', path, headers: { 'x-runner-token': token } });
    server.answer(jsonAnswer({ error: 'Runner not found' }, 404));
    expect(await client().unregister()).toEqual({ wasKnown: false });
  });

  it('go to one slash, wherever web_host ends', async () => {
    await client({ webHost: `${server.url}/sub/` }).report('{}');
    await client({ webHost: `${server.url}//` }).report('{}');
    expect(server.seen.map((seen) => seen.path)).toEqual([`/sub${path}`, path]);
  });

  it('ask for the token each time', async () => {
    let current: string | undefined = 'one';
    const changing = new UiRunnerClient({
      transport,
      webHost: server.url,
      startedAt: new Date(),
      token: () => current,
      timeoutMs: 1000,
    });
    await changing.report('{}');
    current = 'two';
    await changing.report('{}');
    current = undefined;
    expect(await failure(changing.report('{}'))).toMatchObject({
      kind: 'unauthorized',
      message: 'this runner has no token',
    });
    expect(server.seen.map((seen) => seen.headers['x-runner-token'])).toEqual(['one', 'two']);
  });

  it.each(['semaphore.example.com', 'ftp://x', 'localhost:3000', ''])('do not start from %j', (webHost) => {
    expect(() => client({ webHost })).toThrow('the URL of the server is not an http or https URL');
  });

  it('end when the signal is aborted, with its reason', async () => {
    server.answer(() => undefined);
    const abort = new AbortController();
    const waiting = client().fetchState(abort.signal);
    setTimeout(() => abort.abort(new Error('enough')), 50);
    await expect(waiting).rejects.toThrow('enough');
    await expect(client().fetchState(abort.signal)).rejects.toThrow('enough');
  });
});

describe('refusals', () => {
  it.each([
    [
      401,
      jsonAnswer({ error: 'Invalid token' }, 401),
      'unauthorized',
      false,
      'does not accept the runner token (401: Invalid token)',
    ],
    [403, { status: 403 }, 'unauthorized', false, 'does not accept the runner token (403 Forbidden)'],
    [
      404,
      jsonAnswer({ error: 'Runner not found' }, 404),
      'not_found',
      false,
      'does not know this runner (404: Runner not found)',
    ],
    [
      404,
      htmlAnswer('404 Not Found', 404),
      'not_found',
      true,
      '/api/internal/runners does not exist (404: 404 Not Found)',
    ],
    [408, { status: 408 }, 'timeout', true, 'gave up waiting for the report'],
    [
      413,
      htmlAnswer('413 Request Entity Too Large', 413),
      'too_large',
      false,
      'the report is too large for the server or a proxy',
    ],
    [429, { status: 429 }, 'busy', true, 'busy or not ready (429 Too Many Requests)'],
    [503, { status: 503, body: 'starting\nsecond line' }, 'busy', true, 'busy or not ready (503: starting)'],
    [
      500,
      jsonAnswer({ error: 'Unexpected error' }, 500),
      'rejected',
      true,
      'refused the report (500: Unexpected error)',
    ],
    [502, htmlAnswer('502 Bad Gateway', 502), 'rejected', true, 'refused the report (502: 502 Bad Gateway)'],
    [
      400,
      jsonAnswer({ error: 'Invalid task status' }, 400),
      'rejected',
      false,
      'refused the report (400: Invalid task status)',
    ],
    [
      400,
      { status: 400, body: '{"error":"Invalid format"}\n{"error":"Invalid format"}' },
      'rejected',
      false,
      '(400: Invalid format)',
    ],
    [
      400,
      { status: 400, body: 'Client sent an HTTP request to an HTTPS server.\n' },
      'tls',
      false,
      'the server speaks HTTPS on this port',
    ],
    [
      418,
      { status: 418, body: Buffer.from([0, 1, 2, 200]) },
      'rejected',
      false,
      "refused the report (418 I'm a Teapot)",
    ],
  ] as const)('with %i are explained', async (status, answer, kind, retryable, text) => {
    server.answer(answer);
    const error = await failure(client().report('{}'));
    expect(error.message).toContain(text);
    expect(error).toMatchObject({ kind, status, retryable, endpoint: `PUT ${server.url}${path}` });
  });

  it('tell when to come back, in seconds or by date, by the clock of the server', async () => {
    server.answer({ status: 503, headers: { 'retry-after': '7' } });
    expect((await failure(client().report('{}'))).retryAfterMs).toBe(7000);
    const date = 'Sat, 10 Oct 2020 08:00:00 GMT';
    server.answer({ status: 429, headers: { date, 'retry-after': 'Sat, 10 Oct 2020 08:00:30 GMT' } });
    expect((await failure(client().fetchState())).retryAfterMs).toBe(30_000);
    server.answer({ status: 429, headers: { date, 'retry-after': 'Sat, 10 Oct 2020 07:00:00 GMT' } });
    expect((await failure(client().fetchState())).retryAfterMs).toBe(0);
    server.answer({ status: 503, headers: { 'retry-after': '99999999999' } });
    expect((await failure(client().fetchState())).retryAfterMs).toBe(99_999_999_999_000);
    server.answer({ status: 503, headers: { 'retry-after': 'soon' } });
    expect((await failure(client().fetchState())).retryAfterMs).toBeUndefined();
    server.answer({ status: 503 });
    expect((await failure(client().fetchState())).retryAfterMs).toBeUndefined();
  });

  it.each([
    [401, { status: 401, headers: { 'www-authenticate': 'Basic realm="proxy"' } }],
    [403, htmlAnswer('Blocked by the firewall', 403)],
  ])('with %i by something before the server are not about the token, and may end', async (_status, answer) => {
    server.answer(answer);
    expect(await failure(client().report('{}'))).toMatchObject({
      kind: 'unauthorized',
      retryable: true,
      message: expect.stringContaining('something before the server asks for credentials or forbids the report'),
    });
  });

  it('of a token that was replaced meanwhile are not about the new one', async () => {
    let current = 'old token';
    const changing = new UiRunnerClient({
      transport,
      webHost: server.url,
      startedAt: new Date(),
      token: () => current,
      timeoutMs: 1000,
    });
    server.answer(jsonAnswer({ error: 'Runner not found' }, 404));
    expect(await failure(changing.fetchState())).toMatchObject({ retryable: false });
    server.answer((response) => {
      current = 'new token';
      response.writeHead(404).end('{"error":"Runner not found"}');
    });
    expect(await failure(changing.fetchState())).toMatchObject({ retryable: true });
  });

  it('do not repeat tokens that the server quotes', async () => {
    server.answer(jsonAnswer({ error: `no runner has ${token}` }, 400));
    expect((await failure(client().report('{}'))).message).toContain('no runner has ***');
    server.answer(jsonAnswer({ error: 'unknown token smrs_secret' }, 400));
    expect((await failure(client().register(registration))).message).toContain('unknown token ***');
  });

  it('of a registration speak of the registration token', async () => {
    server.answer(jsonAnswer({ error: 'Invalid registration token' }, 400));
    expect(await failure(client().register(registration))).toMatchObject({
      kind: 'rejected',
      retryable: false,
      message: 'the server refused the registration (400: Invalid registration token)',
      hint: expect.stringContaining('one-time token'),
    });
    server.answer(jsonAnswer({ error: 'Unexpected error' }, 500));
    expect(await failure(client().register(registration))).toMatchObject({
      kind: 'rejected',
      retryable: true,
      hint: undefined,
    });
    server.answer(jsonAnswer({ error: 'no' }, 401));
    expect((await failure(client().register(registration))).message).toContain(
      'does not accept the registration token',
    );
    server.answer(jsonAnswer({ error: 'no' }, 404));
    expect((await failure(client().register(registration))).message).toContain(`${path} does not exist`);
    server.answer(jsonAnswer({ token: 'x' }, 201));
    expect((await failure(client().register(registration))).message).toContain('answered with the status 201');
    server.answer(jsonAnswer({ token: '' }));
    expect((await failure(client().register(registration))).message).toContain('answered with no token');
  });
});

describe('redirects', () => {
  it.each([301, 302, 303, 307, 308])('with %i are refused, and the target is named', async (status) => {
    const location = `https://user:pw@other.example.com/api/internal/runners?token=${token}`;
    server.answer({ status, headers: { location } });
    const calls = [
      () => client().fetchState(),
      () => client().report('{}'),
      () => client().register(registration),
      () => client().unregister(),
    ];
    for (const call of calls) {
      const error = await failure(call());
      expect(error).toMatchObject({ kind: 'malformed', status, retryable: false });
      expect(error.message).toContain(
        `the server ${new URL(server.url).host} redirects to https://other.example.com/api/internal/runners (`,
      );
      expect(error.hint).toBe('Set web_host to https://other.example.com if that is your server.');
    }
    expect(server.seen.length).toBe(4);
  });

  it('without a usable target are refused too', async () => {
    server.answer({ status: 302, headers: { location: 'http://[' } });
    expect((await failure(client().fetchState())).message).toContain('redirects to nowhere (302)');
    server.answer({ status: 302, headers: { location: '/login' } });
    const error = await failure(client().fetchState());
    expect(error.message).toContain(`redirects to ${server.url}/login`);
    expect(error.hint).toContain('without a redirect');
  });
});

describe('answers of something else', () => {
  const get = (): string => `this does not look like a Semaphore UI server: GET ${server.url}${path} answered with `;

  it.each([
    ['an HTML page (Welcome to nginx!)', htmlAnswer('Welcome to nginx!')],
    ['an HTML page', { status: 200, body: '  <html>' }],
    ['nothing', { status: 200 }],
    [
      'JSON that breaks off or is damaged (44 bytes)',
      { status: 200, body: '{"CurrentJobs":null,"new_jobs":[{"Username":' },
    ],
    [
      'something that is not JSON (2 bytes of text/plain)',
      { status: 200, headers: { 'content-type': 'text/plain' }, body: 'ok' },
    ],
    ['other JSON: the answer has none of the expected keys (it has login)', jsonAnswer({ login: 'x' })],
    ['other JSON: the answer is not a JSON object', jsonAnswer(null)],
    ['the status 204 No Content', { status: 204 }],
  ])('to GET are %s', async (found, answer) => {
    server.answer(answer);
    const error = await failure(client().fetchState());
    expect(error.message).toBe(get() + found);
    expect(error).toMatchObject({ kind: 'malformed', retryable: true, hint: expect.stringContaining('web_host') });
  });

  it('to PUT do not acknowledge a report when they are a web page', async () => {
    server.answer(htmlAnswer('Log in to the guest network'));
    expect((await failure(client().report('{}'))).message).toContain('an HTML page (Log in to the guest network)');
  });

  it.each([
    [{ status: 200, body: 'ok' }, 'something that is not JSON (2 bytes of unknown type)'],
    [{ status: 200, body: '{"terminated_jobs":[4' }, 'JSON that breaks off or is damaged (21 bytes)'],
    [{ status: 200, body: '[]' }, 'JSON that is no object'],
  ])('to PUT do not acknowledge a report when they are not an object (%#)', async (answer, found) => {
    server.answer(answer);
    expect(await failure(client().report('{}'))).toMatchObject({
      kind: 'malformed',
      retryable: true,
      message: expect.stringContaining(`answered with ${found}`),
    });
  });

  it('to DELETE do not count as a removal when they are a web page', async () => {
    server.answer(htmlAnswer('Log in to the guest network'));
    expect((await failure(client().unregister())).message).toContain('an HTML page (Log in to the guest network)');
    server.answer(htmlAnswer('Not Found', 404));
    expect((await failure(client().unregister())).message).toContain('does not exist (404: Not Found)');
  });

  it('that are huge are given up', async () => {
    server.answer({ status: 200, body: Buffer.alloc(3_000_000, 32) });
    expect(await failure(client().report('{}'))).toMatchObject({
      kind: 'malformed',
      message: expect.stringContaining('sent an answer of more than 1048576 bytes'),
    });
  });

  it('that break off in the middle are network failures', async () => {
    server.answer((response) => {
      response.writeHead(200, { 'content-length': 1000 });
      response.write('{"CurrentJobs":');
      setTimeout(() => response.destroy(), 20);
    });
    expect(await failure(client().fetchState())).toMatchObject({
      kind: 'network',
      retryable: true,
      message: expect.stringContaining('closed the connection before its answer was complete'),
    });
  });

  it('that never come are time-outs', async () => {
    server.answer(() => undefined);
    expect(await failure(client({ timeoutMs: 100 }).fetchState())).toMatchObject({
      kind: 'timeout',
      message: expect.stringContaining('did not answer within 0.1 s'),
    });
  });
});

describe('the RSA envelope of servers 2.12 to 2.18 (3.7)', () => {
  const { privateKey: key } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const octets = { 'content-type': 'application/octet-stream' };

  /** As those servers encrypt: pieces of k - 11 bytes, PKCS#1 v1.5, no framing. */
  function encrypt(text: Buffer, privateKey: KeyObject): Buffer {
    const size = (privateKey.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
    const publicKey = createPublicKey(privateKey);
    const blocks: Buffer[] = [];
    for (let start = 0; start < text.length; start += size - 11) {
      const piece = text.subarray(start, start + size - 11);
      blocks.push(publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, piece));
    }
    return Buffer.concat(blocks);
  }

  it('is opened, however many blocks it has', async () => {
    const large = JSON.stringify({ ...JSON.parse(example.toString()), filler: 'ü'.repeat(5000) });
    for (const text of [example, Buffer.from('{}'), Buffer.from(large)]) {
      server.answer({ status: 200, headers: octets, body: encrypt(text, key) });
      const state = await client({ privateKey: key }).fetchState();
      expect(state.newJobs.length).toBe(text.length > 2 ? 1 : 0);
    }
  });

  it('works with the 4096-bit key that somebody made', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 4096 });
    server.answer({ status: 200, headers: octets, body: encrypt(example, privateKey) });
    expect((await client({ privateKey }).fetchState()).accessKeys.size).toBe(5);
  });

  it('is not expected: a server that answers plainly is understood', async () => {
    server.answer({ status: 200, headers: { 'content-type': 'application/json' }, body: example });
    expect((await client({ privateKey: key }).fetchState()).newJobs.length).toBe(1);
    server.answer({ status: 200, headers: octets, body: example });
    expect((await client({ privateKey: key }).fetchState()).newJobs.length).toBe(1);
  });

  it('for another key, of another length, or without a key, is explained', async () => {
    const hint = expect.stringContaining('runner.private_key_file');
    server.answer({
      status: 200,
      headers: octets,
      body: encrypt(example, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
    });
    expect(await failure(client({ privateKey: key }).fetchState())).toMatchObject({
      kind: 'malformed',
      message: expect.stringContaining('cannot be opened: it was not made for this private key'),
      hint,
    });
    server.answer({ status: 200, headers: octets, body: encrypt(example, key).subarray(5) });
    expect((await failure(client({ privateKey: key }).fetchState())).message).toContain('is not a multiple of the key');
    expect(await failure(client().fetchState())).toMatchObject({ hint, kind: 'malformed' });
    server.answer(htmlAnswer('hello'));
    expect((await failure(client({ privateKey: key }).fetchState())).message).toContain('an HTML page (hello)');
    server.answer({ status: 200, headers: { 'content-type': 'application/json' }, body: '{"new_jobs":[' });
    expect((await failure(client({ privateKey: key }).fetchState())).message).toContain('breaks off');
  });

  it('is asked for by registering the public half: PKCS#1 under the name PUBLIC KEY', async () => {
    server.answer({ status: 200, body: '{"token":"x"}' });
    await client({ privateKey: key }).register(registration);
    const sent: unknown = JSON.parse(server.seen[0]?.body ?? '').public_key;
    expect(sent).toMatch(/^-----BEGIN PUBLIC KEY-----\n[^-]+-----END PUBLIC KEY-----\n$/);
    const der = Buffer.from(String(sent).replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    expect(createPublicKey({ key: der, format: 'der', type: 'pkcs1' }).equals(createPublicKey(key))).toBe(true);
  });
});

describe('probeServer', () => {
  const probe = (webHost = server.url): Promise<void> => probeServer({ transport, webHost, timeoutMs: 2000 });

  it('knows a Semaphore server by its pong', async () => {
    server.answer({ status: 200, headers: { 'content-type': 'text/plain' }, body: 'pong\n' });
    await probe(`${server.url}/`);
    expect(server.seen).toMatchObject([{ method: 'GET', path: '/api/ping' }]);
    expect(server.seen[0]?.headers).not.toHaveProperty('x-runner-token');
  });

  it.each([
    [htmlAnswer('Grafana'), 'answered with an HTML page (Grafana)'],
    [htmlAnswer('Not Found', 404), 'answered with the status 404'],
    [{ status: 401 }, 'answered with the status 401'],
    [{ status: 503 }, 'busy or not ready'],
    [
      { status: 301, headers: { location: 'https://real.example.com/api/ping' } },
      'redirects to https://real.example.com/api/ping',
    ],
  ])('says what is there instead (%#)', async (answer, text) => {
    server.answer(answer);
    expect((await failure(probe())).message).toContain(text);
  });

  it('says when nothing is there', async () => {
    const { url } = server;
    await server.close();
    expect(await failure(probe(url))).toMatchObject({
      kind: 'network',
      message: expect.stringContaining('the connection was refused'),
    });
    await expect(probe('nothing')).rejects.toThrow('not an http or https URL');
  });
});
