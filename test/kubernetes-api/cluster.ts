import { docker, uniqueName, type TestImage } from '../support/docker/index.ts';
import type { Rule } from './api/accounts.ts';
import { openRealCluster } from './real-cluster.ts';
import { startKubernetesApi } from './start.ts';
import type { KubernetesApi, KubernetesApiOptions } from './types.ts';

/** Names the kubeconfig of a real cluster, whose node uses this machine's Docker engine: see docs/testing-kubernetes.md. */
export const realClusterVariable = 'SEMAPHORE_TEST_KUBECONFIG';

/** Rights of an account in the cluster's namespace. */
export type NamespaceRule = Omit<Rule, 'namespaces'>;

/** A cluster for tests that hold for both: the stand-in, or a real Kubernetes. */
export interface TestCluster {
  kind: 'stand-in' | 'real';
  /** Of this test alone. */
  namespace: string;
  /** A kubeconfig file with all rights; its context's namespace is {@link namespace}. */
  kubeconfig: string;
  /** A new account with these rights in {@link namespace} only, and its kubeconfig file. */
  account(rules: readonly NamespaceRule[]): Promise<{ user: string; kubeconfig: string; token: string }>;
  /**
   * A name of a test image that pods can have without `imagePullPolicy`: with `:latest`, or without a tag, a node always asks a registry.
   */
  image(image: TestImage): Promise<string>;
  /** For faults; undefined when the cluster is a real one. */
  standIn: KubernetesApi | undefined;
  close(): Promise<void>;
}

/** The real cluster when there is one, else a stand-in. Guard the tests with `needsDocker()`. */
export async function openCluster(options: KubernetesApiOptions = {}): Promise<TestCluster> {
  const real = process.env[realClusterVariable];
  const tag = uniqueName('k8s');
  const tagged = new Map<TestImage, Promise<string>>();
  const tagImage = async (image: TestImage): Promise<string> => {
    await docker(['tag', image, `${image}:${tag}`]);
    return `${image}:${tag}`;
  };
  const cluster = real ? await openRealCluster(real) : await openStandIn(options);
  return {
    ...cluster,
    image: (image) => {
      const made = tagged.get(image) ?? tagImage(image);
      tagged.set(image, made);
      return made;
    },
    close: async () => {
      try {
        await cluster.close();
      } finally {
        for (const image of tagged.values()) await docker(['rmi', '--no-prune', '--force', await image]);
      }
    },
  };
}

async function openStandIn(options: KubernetesApiOptions): Promise<Omit<TestCluster, 'image'>> {
  const namespace = 'semaphore-test';
  const standIn = await startKubernetesApi({ ...options, namespaces: ['default', namespace] });
  const admin = standIn.account({ user: 'kubernetes-admin', groups: ['system:masters'], namespace });
  let accounts = 0;
  return {
    kind: 'stand-in',
    namespace,
    kubeconfig: admin.kubeconfig,
    account: async (rules) => {
      accounts += 1;
      return standIn.account({
        user: `system:serviceaccount:${namespace}:tester-${accounts}`,
        groups: ['system:serviceaccounts', 'system:authenticated'],
        rules: rules.map((rule) => ({ ...rule, namespaces: [namespace] })),
        namespace,
      });
    },
    standIn,
    close: () => standIn.close(),
  };
}
