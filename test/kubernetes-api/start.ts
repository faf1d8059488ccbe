import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { busyboxImage, removeDockerThings } from '../support/docker/index.ts';
import { Accounts, allRules, authorize, type Rule } from './api/accounts.ts';
import type { Cluster } from './api/context.ts';
import { startExec } from './api/exec.ts';
import { RequestFaults } from './api/faults.ts';
import { requestInfo } from './api/request-info.ts';
import { handleRequest } from './api/server.ts';
import { ApiError, badRequest, internalError, type Status } from './api/status.ts';
import { CertificateAuthority } from './certificates.ts';
import { kubeconfigText } from './kubeconfig.ts';
import { Engine } from './kubelet/engine.ts';
import { Kubelet } from './kubelet/kubelet.ts';
import { PodFaults } from './kubelet/pod-faults.ts';
import { Recorder } from './kubelet/recorder.ts';
import { node } from './kubelet/scheduler.ts';
import { collectGarbage } from './objects/garbage.ts';
import { namespaces } from './objects/resources.ts';
import { ObjectStore } from './objects/store.ts';
import type { KubeObject } from './objects/types.ts';

export interface KubernetesApiOptions {
  /** What `/version` says. @default 'v1.32.0' */
  version?: string;
  /** Sub-protocols of exec that the server has, its favourite first. @default v5.channel.k8s.io and v4.channel.k8s.io */
  execProtocols?: readonly string[];
  /** Made at the start, each with its default service account. @default ['default'] */
  namespaces?: readonly string[];
  /** Before a container or a pull is tried again; the real one takes 10 s. @default 500 */
  backOffMs?: number;
  /** Between the bookmarks of watches; the real one takes a minute. @default 1000 */
  bookmarkMs?: number;
}

export interface AccountOptions {
  /** @default 'system:serviceaccount:<namespace>:tester' */
  user?: string;
  groups?: string[];
  /** @default everything is allowed */
  rules?: Rule[];
  /** The namespace of the kubeconfig's context. @default 'default' */
  namespace?: string;
  /** Gives a client certificate instead of a token. */
  clientCertificate?: boolean;
}

/** An account of the stand-in, and the ways to use it. */
export interface KubernetesAccount {
  user: string;
  /** Empty for one with a certificate. */
  token: string;
  /** Path of a kubeconfig file. */
  kubeconfig: string;
}

/** What a pod sees of the API: set these variables and use `directory` as the root of the file system. */
export interface InCluster {
  environment: { KUBERNETES_SERVICE_HOST: string; KUBERNETES_SERVICE_PORT: string };
  /** Holds `var/run/secrets/kubernetes.io/serviceaccount/{token,ca.crt,namespace}`. */
  directory: string;
  /** The last of these directories, with the three files, for mounting it. */
  serviceAccount: string;
}

/** A stand-in for the API server, scheduler and kubelet of a one-node Kubernetes. */
export interface KubernetesApi {
  /** `https://127.0.0.1:<port>` */
  url: string;
  /** PEM of its certificate authority. */
  ca: string;
  /** A kubeconfig file with all rights, for the namespace `default`. */
  kubeconfig: string;
  token: string;
  /** What is in the names of all that it makes in the Docker engine. */
  engineName: string;
  faults: KubernetesFaults;
  /** Adds an account; again for the same user: changes its rights. */
  account(options?: AccountOptions): KubernetesAccount;
  inCluster(account: KubernetesAccount, namespace?: string): InCluster;
  /** Takes an object out of the store, or looks at it, without a client. */
  store: ObjectStore;
  /** Ends all pods and removes what they have in the engine; safe twice. */
  close(): Promise<void>;
}

/** What goes wrong on request. The functions that come back end it. */
export interface KubernetesFaults {
  requests: RequestFaults;
  pods: PodFaults;
  /** Nobody listens any more, and what was connected is cut, until lifted. */
  refuseConnections(): Promise<() => Promise<void>>;
  /** Cuts all connections; new ones are taken. */
  cutConnections(): void;
  /** Cuts the WebSockets of exec, without a word. Their processes run on. */
  cutExecs(): void;
  /** The token is not known any more (401). */
  expireToken(token: string): void;
  /** Watches and lists that go on from before now get 410 Gone. */
  expireHistory(): void;
}

/** Starts the stand-in. Its containers are real ones of the Docker engine: guard the tests with `needsDocker()`. */
export async function startKubernetesApi(options: KubernetesApiOptions = {}): Promise<KubernetesApi> {
  const execProtocols = options.execProtocols ?? ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
  const engineName = `semaphore-test-k8s-${randomBytes(5).toString('hex')}`;
  const directory = mkdtempSync(join(tmpdir(), `${engineName}-`));
  const certificates = new CertificateAuthority(directory);
  const store = new ObjectStore();
  collectGarbage(store);
  const podFaults = new PodFaults();
  const closing = new AbortController();
  const pulled = new Set<string>();
  const engine = new Engine();
  const labels = { 'semaphore-test': engineName };
  let network: Promise<string> | undefined;
  const makeNetwork = async (): Promise<string> => {
    await engine.call('POST', '/networks/create', { body: { Name: engineName, CheckDuplicate: true, Labels: labels } });
    return engineName;
  };
  const kubelet = new Kubelet({
    engine,
    store,
    recorder: new Recorder(store, node.name),
    faults: podFaults,
    prefix: engineName,
    labels,
    // Made with the first pod: most tests of the API need none.
    network: () => (network ??= makeNetwork()),
    directory: join(directory, 'pods'),
    sandboxImage: busyboxImage,
    backOffMs: options.backOffMs ?? 500,
    closing: closing.signal,
    pulled: (image) => void pulled.add(image),
  });
  const requests = new RequestFaults();
  const cluster: Cluster = {
    version: options.version ?? 'v1.32.0',
    store,
    kubelet,
    faults: requests,
    bookmarkMs: options.bookmarkMs ?? 1000,
  };
  for (const name of options.namespaces ?? ['default']) {
    const namespace: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } as KubeObject['metadata'] };
    namespaces.fillIn(namespace);
    store.create(namespaces, namespace);
  }
  const accounts = new Accounts();
  const server = makeServer(certificates);
  const execs = new Set<WebSocket>();
  const connections = new Set<Duplex>();
  server.on('secureConnection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    socket.on('error', () => undefined);
  });
  server.on('request', (request, response) => void handleRequest(cluster, accounts, request, response));
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => execProtocols.find((name) => offered.has(name)) ?? false,
  });
  server.on('upgrade', (request, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined);
    upgrade().catch((error: unknown) => refuseUpgrade(socket, error));

    async function upgrade(): Promise<void> {
      const info = requestInfo(request);
      const account = accounts.authenticate(request);
      await requests.beforeRequest(info);
      authorize(account, info);
      if (info.kind === 'path' || info.plural !== 'pods' || info.subresource !== 'exec')
        throw badRequest('no such stream');
      const offered = (request.headers['sec-websocket-protocol'] ?? '').split(/\s*,\s*/);
      const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
      if (!isWebSocket)
        throw badRequest(`unable to upgrade: the stand-in has WebSockets only, not ${request.headers.upgrade}`);
      if (!execProtocols.some((name) => offered.includes(name))) {
        throw new ApiError(
          403,
          'Forbidden',
          `unable to upgrade: none of the sub-protocols is known: ${offered.join(', ')}`,
        );
      }
      const webSocket = await startExec(cluster, sockets, info, request, socket, head);
      execs.add(webSocket);
      webSocket.once('close', () => execs.delete(webSocket));
      webSocket.on('error', () => undefined);
    }
  });
  const port = await listen(server, 0);
  const url = `https://127.0.0.1:${port}`;
  const cutConnections = (): void => {
    for (const socket of connections) socket.destroy();
  };
  const silence = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    cutConnections();
    await closed;
  };
  const account = (wanted: AccountOptions = {}): KubernetesAccount => {
    const namespace = wanted.namespace ?? 'default';
    const user = wanted.user ?? `system:serviceaccount:${namespace}:tester`;
    const groups = wanted.groups ?? ['system:authenticated'];
    const token = wanted.clientCertificate ? '' : randomUUID();
    accounts.add({ user, groups, rules: wanted.rules ?? allRules }, token);
    const identity = wanted.clientCertificate ? { clientCertificate: certificates.forClient(user, groups) } : { token };
    const kubeconfig = join(directory, `kubeconfig-${randomBytes(4).toString('hex')}.json`);
    writeFileSync(kubeconfig, kubeconfigText({ server: url, ca: certificates.certificate, namespace, ...identity }), {
      mode: 0o600,
    });
    return { user, token, kubeconfig };
  };
  const inCluster = ({ token }: KubernetesAccount, namespace = 'default'): InCluster => {
    const root = mkdtempSync(join(directory, 'in-cluster-'));
    const serviceAccount = join(root, 'var/run/secrets/kubernetes.io/serviceaccount');
    mkdirSync(serviceAccount, { recursive: true });
    writeFileSync(join(serviceAccount, 'token'), token);
    writeFileSync(join(serviceAccount, 'ca.crt'), certificates.certificate);
    writeFileSync(join(serviceAccount, 'namespace'), namespace);
    const environment = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) };
    return { environment, directory: root, serviceAccount };
  };
  const admin = account({ user: 'kubernetes-admin', groups: ['system:masters'] });
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await silence();
    for (const webSocket of execs) webSocket.terminate();
    await kubelet.close();
    closing.abort();
    await removeDockerThings(engineName);
    for (const image of pulled) await engine.call('DELETE', `/images/${image}`).catch(() => undefined);
    rmSync(directory, { recursive: true, force: true });
  };
  return {
    url,
    ca: certificates.certificate,
    kubeconfig: admin.kubeconfig,
    token: admin.token,
    engineName,
    store,
    account,
    inCluster,
    faults: {
      requests,
      pods: podFaults,
      refuseConnections: async () => {
        await silence();
        return async () => void (await listen(server, port));
      },
      cutConnections,
      cutExecs: () => {
        for (const webSocket of execs) webSocket.terminate();
      },
      expireToken: (token) => accounts.expire(token),
      expireHistory: () => store.forgetHistory(),
    },
    close: () => (closed ??= close()),
  };
}

function makeServer(certificates: CertificateAuthority): Server {
  const { key, certificate } = certificates.forServer();
  return createServer({
    key,
    cert: certificate,
    ca: certificates.certificate,
    requestCert: true,
    rejectUnauthorized: false,
  });
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

/** An answer to a request for an upgrade that is not granted. */
function refuseUpgrade(socket: Duplex, error: unknown): void {
  const status: Status = error instanceof ApiError ? error.status : internalError(String(error)).status;
  const body = JSON.stringify(status);
  const lines = [
    `HTTP/1.1 ${status.code} ${status.reason}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    ...(status.details?.retryAfterSeconds === undefined ? [] : [`retry-after: ${status.details.retryAfterSeconds}`]),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
