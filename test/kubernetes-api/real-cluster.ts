import { ApiException, CoreV1Api, KubeConfig, RbacAuthorizationV1Api } from '@kubernetes/client-node';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { uniqueName } from '../support/docker/index.ts';
import type { NamespaceRule, TestCluster } from './cluster.ts';
import { kubeconfigText } from './kubeconfig.ts';

/**
 * How long a pod that is deleted may take to be gone, milliseconds. On a busy machine a test waited 80 s where one second of grace had been
 * asked for while the pod started; what the kubelet did meanwhile is not known.
 */
export const podRemovalMs = 180_000;

/** A namespace of the test's own in the cluster that `path` (a kubeconfig file with all rights) is for. */
export async function openRealCluster(path: string): Promise<Omit<TestCluster, 'image'>> {
  const config = new KubeConfig();
  config.loadFromFile(path);
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (!cluster || !user) throw new Error(`${path} has no current context`);
  const core = config.makeApiClient(CoreV1Api);
  const rbac = config.makeApiClient(RbacAuthorizationV1Api);
  const namespace = uniqueName('ns');
  const directory = mkdtempSync(join(tmpdir(), 'semaphore-test-kubeconfig-'));
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  // Made by a controller; without it no pod is taken.
  await until(() => core.readNamespacedServiceAccount({ namespace, name: 'default' }));

  const ca = Buffer.from(cluster.caData ?? '', 'base64').toString('utf8');
  const writeConfig = (name: string, identity: Partial<Parameters<typeof kubeconfigText>[0]>): string => {
    const file = join(directory, `${name}.json`);
    writeFileSync(file, kubeconfigText({ server: cluster.server, ca, namespace, ...identity }), { mode: 0o600 });
    return file;
  };
  const decoded = (data: string | undefined): string => Buffer.from(data ?? '', 'base64').toString('utf8');
  const clientCertificate = { key: decoded(user.keyData), certificate: decoded(user.certData) };
  let accounts = 0;

  const account = async (rules: readonly NamespaceRule[]) => {
    accounts += 1;
    const name = `tester-${accounts}`;
    const metadata = { name };
    await core.createNamespacedServiceAccount({ namespace, body: { metadata } });
    const withGroups = rules.map((rule) => ({ ...rule, apiGroups: rule.apiGroups ?? [''] }));
    await rbac.createNamespacedRole({ namespace, body: { metadata, rules: withGroups } });
    await rbac.createNamespacedRoleBinding({
      namespace,
      body: {
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
        subjects: [{ kind: 'ServiceAccount', name, namespace }],
      },
    });
    const body = { spec: { audiences: [], expirationSeconds: 3600 } };
    const { status } = await core.createNamespacedServiceAccountToken({ namespace, name, body });
    const token = status?.token ?? '';
    return { user: `system:serviceaccount:${namespace}:${name}`, kubeconfig: writeConfig(name, { token }), token };
  };

  const close = async (): Promise<void> => {
    await core.deleteNamespace({ name: namespace });
    await until(async () => {
      const found = await core.readNamespace({ name: namespace }).catch((error: unknown) => {
        if (error instanceof ApiException && error.code === 404) return undefined;
        throw error;
      });
      if (found) throw new Error(`namespace ${namespace} is not gone: ${JSON.stringify(found.status)}`);
    });
    rmSync(directory, { recursive: true, force: true });
  };

  const kubeconfig = writeConfig('admin', user.token === undefined ? { clientCertificate } : { token: user.token });
  return { kind: 'real', namespace, kubeconfig, account, standIn: undefined, close };
}

/** Tries again until it works; rejects with the last error. */
async function until(attempt: () => Promise<unknown>): Promise<void> {
  for (const late = Date.now() + podRemovalMs; ; await sleep(200)) {
    try {
      await attempt();
      return;
    } catch (error: unknown) {
      if (Date.now() > late) throw error;
    }
  }
}
