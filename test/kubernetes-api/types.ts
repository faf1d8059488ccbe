import type { Rule } from './api/accounts.ts';
import type { RequestFaults } from './api/faults.ts';
import type { PodFaults } from './kubelet/pod-faults.ts';
import type { ObjectStore } from './objects/store.ts';

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
  /** Adds an account; again for the same user: changes the rights of all its tokens. */
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
