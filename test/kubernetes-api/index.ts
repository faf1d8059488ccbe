/**
 * A stand-in for a Kubernetes cluster of one node: API server, scheduler and kubelet in this process, the containers of its pods real ones
 * of the Docker engine. What it does and does not do is in docs/testing-kubernetes.md.
 */
export { startKubernetesApi } from './start.ts';
export type {
  AccountOptions,
  InCluster,
  KubernetesAccount,
  KubernetesApi,
  KubernetesApiOptions,
  KubernetesFaults,
} from './types.ts';
export type { Rule } from './api/accounts.ts';
export type { AnswerFault, Lift, Match } from './api/faults.ts';
export { openCluster, realClusterVariable, type NamespaceRule, type TestCluster } from './cluster.ts';
export { podRemovalMs } from './real-cluster.ts';
