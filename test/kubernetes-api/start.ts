import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxImage, removeDockerThings } from '../support/docker/index.ts';
import { Accounts } from './api/accounts.ts';
import { RequestFaults } from './api/faults.ts';
import { ApiListener } from './api/listener.ts';
import { CertificateAuthority } from './certificates.ts';
import { makeAccount, makeInCluster } from './identities.ts';
import { Engine } from './kubelet/engine.ts';
import { Kubelet } from './kubelet/kubelet.ts';
import { PodFaults } from './kubelet/pod-faults.ts';
import { Recorder } from './kubelet/recorder.ts';
import { node } from './kubelet/scheduler.ts';
import { collectGarbage } from './objects/garbage.ts';
import { namespaces } from './objects/resources.ts';
import { ObjectStore } from './objects/store.ts';
import type { KubeObject } from './objects/types.ts';
import type { KubernetesApi, KubernetesApiOptions } from './types.ts';

/** Starts the stand-in. Its containers are real ones of the Docker engine: guard the tests with `needsDocker()`. */
export async function startKubernetesApi(options: KubernetesApiOptions = {}): Promise<KubernetesApi> {
  const engineName = `semaphore-test-k8s-${randomBytes(5).toString('hex')}`;
  const directory = mkdtempSync(join(tmpdir(), `${engineName}-`));
  const store = new ObjectStore();
  collectGarbage(store);
  const podFaults = new PodFaults();
  const requests = new RequestFaults();
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
  for (const name of options.namespaces ?? ['default']) addNamespace(store, name);
  const accounts = new Accounts();
  const certificates = new CertificateAuthority(directory);
  const listener = new ApiListener({
    cluster: {
      version: options.version ?? 'v1.32.0',
      store,
      kubelet,
      faults: requests,
      bookmarkMs: options.bookmarkMs ?? 1000,
    },
    accounts,
    certificates,
    execProtocols: options.execProtocols ?? ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
  });
  await listener.listen();
  const { port } = listener;
  const parts = { accounts, certificates, directory, port };
  const admin = makeAccount(parts, { user: 'kubernetes-admin', groups: ['system:masters'] });

  const close = async (): Promise<void> => {
    await listener.silence();
    try {
      await kubelet.close();
    } finally {
      closing.abort();
      await removeDockerThings(engineName);
      // One that a container of somebody else uses stays.
      for (const image of pulled) await engine.call('DELETE', `/images/${image}`).catch(() => undefined);
      rmSync(directory, { recursive: true, force: true });
    }
  };
  let closed: Promise<void> | undefined;
  return {
    url: `https://127.0.0.1:${port}`,
    ca: certificates.certificate,
    kubeconfig: admin.kubeconfig,
    token: admin.token,
    engineName,
    store,
    account: (wanted) => makeAccount(parts, wanted),
    inCluster: (account, namespace = 'default') => makeInCluster(parts, account, namespace),
    faults: {
      requests,
      pods: podFaults,
      refuseConnections: async () => {
        await listener.silence();
        return () => listener.listen();
      },
      cutConnections: () => listener.cutConnections(),
      cutExecs: () => listener.cutExecs(),
      expireToken: (token) => accounts.expire(token),
      expireHistory: () => store.forgetHistory(),
    },
    close: () => (closed ??= close()),
  };
}

function addNamespace(store: ObjectStore, name: string): void {
  const namespace: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } as KubeObject['metadata'] };
  namespaces.fillIn(namespace);
  store.create(namespaces, namespace);
}
