import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  type ExecRequest,
  type ExecStream,
  type KubernetesClient,
  openKubernetes,
} from '../../src/executors/kubernetes/index.ts';
import { findConnection } from '../../src/executors/kubernetes/find-connection.ts';
import { loadKubernetesLibrary } from '../../src/executors/kubernetes/load-library.ts';
import { RemoteError, systemClock } from '../../src/lib/index.ts';
import { CertificateAuthority } from '../kubernetes-api/certificates.ts';
import { tempDir } from '../support/temp-dir.ts';

const cleanUps: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

interface Api {
  url: string;
  /** `GET /api/v1/…`, in order. */
  asked: string[];
  sockets: WebSocketServer;
}

/** An API server that does what a test wants of it. */
async function serve(
  answer: (request: IncomingMessage, response: ServerResponse, asked: number) => void = () => undefined,
  { protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] } = {},
): Promise<Api> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response, asked.length);
  });
  const sockets = new WebSocketServer({
    server,
    handleProtocols: (offered) => protocols.find((protocol) => offered.has(protocol)) ?? false,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(async () => {
    for (const client of sockets.clients) client.terminate();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, sockets };
}

interface ConfigOptions {
  server: string;
  cluster?: object;
  user?: object;
  namespace?: string;
  name?: string;
}

function kubeconfig({ server, cluster = {}, user = {}, namespace = 'ci', name = 'one' }: ConfigOptions): string {
  const path = join(tempDir(), `${name}.json`);
  const config = {
    clusters: [{ name, cluster: { server, ...cluster } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name, namespace } }],
    'current-context': name,
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

async function open(options: ConfigOptions): Promise<KubernetesClient> {
  // Waits are short here, whatever the API asks for.
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  return await openKubernetes({ env: {}, kubeconfig: kubeconfig(options), clock });
}

function send(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

const failure = (code: number, message: string): object => ({ kind: 'Status', status: 'Failure', code, message });
const pod = { metadata: { name: 'p', uid: '1' }, spec: { containers: [] } };

async function errorOf(work: Promise<unknown>): Promise<RemoteError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof RemoteError) return error;
  throw new Error(`no RemoteError, but ${String(error)}`);
}

describe('calls of the Kubernetes API', () => {
  it('know what is not there from what is wrong', async () => {
    const { url, asked } = await serve((request, response, count) => {
      if (count === 1) send(response, 404, failure(404, 'pods "p" not found'));
      else send(response, 200, request.method === 'DELETE' ? { status: 'Success' } : pod);
    });
    const client = await open({ server: url });
    expect(await client.getPod('p')).toBeUndefined();
    expect(await client.getPod('p')).toMatchObject(pod);
    expect(await client.deletePod('p')).toBe(true);
    expect(asked[0]).toBe('GET /api/v1/namespaces/ci/pods/p');
  });

  it.each([
    [429, { 'retry-after': '1' }],
    [500, {}],
    [503, {}],
  ])('are made again after %i', async (status, headers) => {
    const { url, asked } = await serve((_, response, count) => {
      if (count < 3) send(response, status, failure(status, 'busy'), headers);
      else send(response, 200, pod);
    });
    expect(await (await open({ server: url })).getPod('p')).toMatchObject(pod);
    expect(asked).toHaveLength(3);
  });

  it('are made again when the connection breaks, and make nothing twice', async () => {
    let isMade = false;
    const { url, asked } = await serve((request, response, count) => {
      if (request.method === 'GET') return send(response, 200, pod);
      if (isMade) return send(response, 409, failure(409, 'pods "p" already exists'));
      isMade = count === 2;
      request.socket.destroy();
    });
    expect(
      await (await open({ server: url })).createPod({ metadata: { name: 'p' }, spec: { containers: [] } }),
    ).toEqual(pod);
    expect(asked.map((line) => line.split(' ')[0])).toEqual(['POST', 'POST', 'POST', 'GET']);
  });

  it('that meet a name of somebody else say so', async () => {
    const { url } = await serve((_, response) => send(response, 409, failure(409, 'exists')));
    const error = await errorOf(
      (await open({ server: url })).createPod({ metadata: { name: 'p' }, spec: { containers: [] } }),
    );
    expect(error).toMatchObject({ status: 409, message: 'pods "p" already exists in namespace ci' });
  });

  it.each<[number, string, Partial<RemoteError>]>([
    [
      401,
      'Unauthorized',
      {
        kind: 'unauthorized',
        message: expect.stringMatching(/does not accept the credentials$/) as string,
        hint: expect.stringMatching(/one\.json \(context one\)/) as string,
      },
    ],
    [
      403,
      'pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "ci"',
      {
        kind: 'unauthorized',
        hint: 'A Role in namespace ci must allow it: apiGroups [""], resources ["pods"], verbs ["list"].',
      },
    ],
    [
      403,
      'pods "p" is forbidden: exceeded quota: q',
      { kind: 'rejected', hint: 'A ResourceQuota or LimitRange of the namespace does not allow it.' },
    ],
    [
      403,
      'pods "p" is forbidden: violates PodSecurity "restricted:latest": x',
      { kind: 'rejected', hint: 'A policy of the cluster does not allow it.' },
    ],
    [404, 'namespaces "ci" not found', { kind: 'not_found', hint: 'Create the namespace, or name another one.' }],
    [
      422,
      'Pod "p" is invalid: spec.containers: Required value',
      { kind: 'rejected', message: 'Pod "p" is invalid: spec.containers: Required value' },
    ],
  ])('explain %i %s', async (status, message, expected) => {
    const { url, asked } = await serve((_, response) => send(response, status, failure(status, message)));
    expect(await errorOf((await open({ server: url })).listPods('a=b'))).toMatchObject({ status, ...expected });
    expect(asked).toHaveLength(1);
  });

  it('name the server that is not there, and who has named it', async () => {
    const server = createTcpServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const error = await errorOf((await open({ server: `http://127.0.0.1:${port}` })).getPod('p'));
    expect(error.message).toBe(
      `cannot connect to the Kubernetes API server http://127.0.0.1:${port}: the connection was refused`,
    );
    expect(error.hint).toMatch(/^Is it running\? The server is named by .*one\.json \(context one\)\.$/);
  });

  it('do not wait for ever', async () => {
    const { url } = await serve();
    const { exchange } = await import('../../src/executors/kubernetes/request.ts');
    const { connection } = await open({ server: url });
    const error = await errorOf(exchange(connection, { method: 'GET', path: '/api', timeoutMs: 100 }));
    expect(error).toMatchObject({
      kind: 'timeout',
      message: `the Kubernetes API server ${url} did not answer within 0.1 s`,
    });
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(exchange(connection, { method: 'GET', path: '/api', signal })).rejects.toThrow('stopped');
  });

  it('check certificates, and show their own', async () => {
    const authority = new CertificateAuthority(tempDir());
    const { key, certificate } = authority.forServer();
    const server = createTlsServer(
      { key, cert: certificate, ca: authority.certificate, requestCert: true, rejectUnauthorized: false },
      (request, response) => {
        const { subject } = (
          request.socket as Socket & { getPeerCertificate: () => { subject?: { CN: string } } }
        ).getPeerCertificate();
        send(response, 200, { metadata: { name: subject?.CN ?? '', uid: request.headers.authorization ?? '' } });
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUps.push(() => new Promise((resolve) => server.close(resolve)));
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const error = await errorOf((await open({ server: url })).getPod('p'));
    expect(error).toMatchObject({
      kind: 'tls',
      message: expect.stringContaining(`the certificate of the Kubernetes API server ${url} `) as string,
    });
    expect(error.hint).toMatch(/certificate-authority of the cluster in .*one\.json/);
    const mine = authority.forClient('me', []);
    const client = await open({
      server: url,
      cluster: { 'certificate-authority-data': Buffer.from(authority.certificate).toString('base64') },
      user: {
        token: 'secret',
        'client-certificate-data': Buffer.from(mine.certificate).toString('base64'),
        'client-key-data': Buffer.from(mine.key).toString('base64'),
      },
    });
    expect((await client.getPod('p'))?.metadata).toEqual({ name: 'me', uid: 'Bearer secret' });
  });
});

describe('where the Kubernetes API is', () => {
  it('is what KUBECONFIG names; of several files the first that says something counts', async () => {
    const first = kubeconfig({ server: 'http://first:1', name: 'a' });
    const second = kubeconfig({ server: 'http://second:1', name: 'b' });
    const env = { KUBECONFIG: `/nonexistent:${second}:${first}` };
    expect(await findConnection({ env })).toMatchObject({
      server: 'http://second:1',
      namespace: 'ci',
      inCluster: false,
    });
    expect((await findConnection({ env, kubeconfig: first, namespace: 'other' })).server).toBe('http://first:1');
    expect((await findConnection({ env, namespace: 'other' })).namespace).toBe('other');
  });

  it('is the cluster that the program runs in, before that', async () => {
    const directory = tempDir();
    const env = {
      KUBERNETES_SERVICE_HOST: 'fd00::1',
      KUBERNETES_SERVICE_PORT: '6443',
      KUBECONFIG: kubeconfig({ server: 'http://x:1' }),
    };
    expect((await findConnection({ env, serviceAccountDirectory: directory })).server).toBe('http://x:1');
    writeFileSync(join(directory, 'token'), 'tok\n');
    writeFileSync(join(directory, 'namespace'), 'inner');
    writeFileSync(join(directory, 'ca.crt'), 'ca');
    const found = await findConnection({ env, serviceAccountDirectory: directory });
    expect(found).toMatchObject({ server: 'https://[fd00::1]:6443', namespace: 'inner', inCluster: true });
    const { requestSettings } = await import('../../src/executors/kubernetes/connection.ts');
    expect((await requestSettings(found)).headers).toEqual({ Authorization: 'Bearer tok' });
  });

  it('is reached through the proxy of the environment, unless NO_PROXY says otherwise', async () => {
    const file = kubeconfig({ server: 'https://k8s.example.test' });
    const proxyOf = async (env: Record<string, string>) =>
      (await findConnection({ env, kubeconfig: file })).config.getCurrentCluster()?.proxyUrl;
    expect(await proxyOf({ HTTPS_PROXY: 'http://proxy:3128' })).toBe('http://proxy:3128/');
    expect(await proxyOf({ HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: '.example.test' })).toBeUndefined();
  });

  it.each<[string, () => Record<string, string>, RegExp]>([
    ['nothing', () => ({ HOME: tempDir() }), /^no Kubernetes was found$/],
    [
      'files that are not there',
      () => ({ KUBECONFIG: '/nonexistent/k' }),
      /^KUBECONFIG names no file that exists: \/nonexistent\/k$/,
    ],
    [
      'something else',
      () => ({ KUBECONFIG: fileWith('just text') }),
      /cannot be used: it is not a kubeconfig$|names no cluster$/,
    ],
    [
      'no context',
      () => ({
        KUBECONFIG: fileWith('{"clusters": [], "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}'),
      }),
      /names no cluster$/,
    ],
  ])('is not known with %s', async (_, env, text) => {
    await expect(findConnection({ env: env() })).rejects.toThrow(text);
  });

  it('cannot be used without the library, which is said', async () => {
    const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    await expect(loadKubernetesLibrary(() => Promise.reject(missing))).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringContaining('@kubernetes/client-node is not installed') as string,
    });
    await expect(loadKubernetesLibrary(() => Promise.reject(new Error('other')))).rejects.toThrow('other');
  });
});

function fileWith(text: string): string {
  const path = join(tempDir(), 'config');
  writeFileSync(path, text);
  return path;
}

describe('a process in a container', () => {
  const exec = async (
    api: Api,
    behave: (socket: WebSocket, request: IncomingMessage) => void,
    request: Partial<ExecRequest> = {},
  ): Promise<{ stream: ExecStream; out: () => string; err: () => string }> => {
    api.sockets.on('connection', behave);
    const client = await open({ server: api.url });
    let out = '';
    let err = '';
    const stream = await client.exec({
      pod: 'p',
      container: 'c',
      argv: ['echo', 'a b'],
      onStdout: (bytes) => (out += bytes.toString()),
      onStderr: (bytes) => (err += bytes.toString()),
      ...request,
    });
    return { stream, out: () => out, err: () => err };
  };
  const status = (text: string): Buffer => Buffer.concat([Buffer.from([3]), Buffer.from(text)]);
  const frame = (channel: number, text: string): Buffer => Buffer.concat([Buffer.from([channel]), Buffer.from(text)]);

  it('is asked for with its words, and tells output, errors and exit code apart', async () => {
    const api = await serve();
    let url = '';
    const { stream, out, err } = await exec(api, (socket, request) => {
      url = request.url ?? '';
      for (const message of [Buffer.from([1]), frame(1, 'out'), frame(2, 'err'), frame(1, 'more')])
        socket.send(message);
      socket.send(
        status(
          '{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}',
        ),
      );
      socket.close(1000);
    });
    expect(await stream.ended).toEqual({ kind: 'exited', code: 7 });
    expect([out(), err()]).toEqual(['outmore', 'err']);
    expect(url).toBe(
      '/api/v1/namespaces/ci/pods/p/exec?container=c&stdin=false&stdout=true&stderr=true&tty=false&command=echo&command=a+b',
    );
  });

  it('gets input, the size of its terminal and, with version 5, the end of its input', async () => {
    const api = await serve();
    const got: Buffer[] = [];
    const { stream } = await exec(
      api,
      (socket) =>
        socket.on('message', (data: Buffer) => {
          got.push(data);
          if (data[0] === 255) {
            socket.send(status('{"status":"Success"}'));
            socket.close(1000);
          }
        }),
      { stdin: true },
    );
    await stream.write(Buffer.alloc(150_000, 'x'));
    stream.resize({ columns: 80, rows: 24 });
    expect(stream.protocol).toBe('v5.channel.k8s.io');
    expect(stream.endInput()).toBe(true);
    expect(await stream.ended).toEqual({ kind: 'exited', code: 0 });
    expect(got.map((data) => [data[0], data.length])).toEqual([
      [0, 65_537],
      [0, 65_537],
      [0, 18_929],
      [4, 25],
      [255, 2],
    ]);
    expect(got[3]?.subarray(1).toString()).toBe('{"Width":80,"Height":24}');
  });

  it('cannot be told the end of its input by a server of before', async () => {
    const api = await serve(undefined, { protocols: ['v4.channel.k8s.io'] });
    const { stream } = await exec(api, () => undefined, { stdin: true });
    expect(stream.protocol).toBe('v4.channel.k8s.io');
    expect(stream.endInput()).toBe(false);
    stream.close();
    expect(await stream.ended).toEqual({ kind: 'lost', reason: 'it was given up' });
  });

  it('whose connection is lost has not ended', async () => {
    const api = await serve();
    const { stream } = await exec(api, (socket) => setTimeout(() => socket.terminate(), 50));
    expect(await stream.ended).toEqual({ kind: 'lost', reason: 'the connection was lost' });
  });

  it('waits while nobody takes what it prints', async () => {
    const api = await serve();
    const size = 100 * 1024 * 1024;
    let sent = 0;
    const { stream } = await exec(
      api,
      (socket) => {
        const chunk = Buffer.alloc(64 * 1024 + 1, 1);
        const next = (): void => {
          if (sent >= size) return socket.send(status('{"status":"Success"}'), () => socket.close(1000));
          sent += chunk.length - 1;
          socket.send(chunk, next);
        };
        next();
      },
      { onStdout: (bytes) => take(bytes) },
    );
    let taken = 0;
    let most = 0;
    function take(bytes: Buffer): void {
      taken += bytes.length;
      most = Math.max(most, sent - taken);
      stream.pause();
      setImmediate(() => stream.resume());
    }
    expect(await stream.ended).toEqual({ kind: 'exited', code: 0 });
    expect(taken).toBe(sent);
    // What is on its way is in the buffers of the kernel.
    expect(most).toBeLessThan(24 * 1024 * 1024);
  });

  it('is not begun when the server refuses: with its reason, and the right that is missing', async () => {
    const refusals = [
      [
        403,
        failure(
          403,
          'pods "p" is forbidden: User "u" cannot get resource "pods/exec" in API group "" in the namespace "ci"',
        ),
      ],
      [500, failure(500, 'unable to upgrade connection: container not found ("c")')],
    ] as const;
    for (const [code, body] of refusals) {
      const server = createServer();
      server.on('upgrade', (_, socket) =>
        socket.end(
          `HTTP/1.1 ${code} x\r\ncontent-length: ${JSON.stringify(body).length}\r\n\r\n${JSON.stringify(body)}`,
        ),
      );
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      cleanUps.push(() => new Promise((resolve) => server.close(resolve)));
      const client = await open({ server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
      const error = await errorOf(client.exec({ pod: 'p', container: 'c', argv: ['x'], onStdout: () => undefined }));
      expect(error.status).toBe(code);
      expect(error.message).toBe((body as { message: string }).message);
      if (code === 403) expect(error.hint).toContain('resources ["pods/exec"], verbs ["get"]');
    }
  });

  it('is given up while the server does not answer', async () => {
    const server = createServer();
    server.on('upgrade', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUps.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const client = await open({ server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    const request = { pod: 'p', container: 'c', argv: ['x'], onStdout: () => undefined };
    const stop = new AbortController();
    const opening = client.exec({ ...request, signal: stop.signal });
    setTimeout(() => stop.abort(new Error('stopped')), 50);
    await expect(opening).rejects.toThrow('stopped');
    expect(await errorOf(client.exec({ ...request, handshakeTimeoutMs: 100 }))).toMatchObject({
      kind: 'network',
      message: expect.stringContaining('handshake') as string,
    });
  });
});
