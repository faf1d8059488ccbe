/** `runner.executor`, resolved (spec 6.2). What belongs to another type than the chosen one is there, too, with its defaults. */
export interface ExecutorConfig {
  type: 'local' | 'docker' | 'k8s';
  docker: DockerExecutorConfig;
  k8s: KubernetesExecutorConfig;
}

/** What both kinds of containers have. */
interface ContainersConfig {
  /** Image with the tools of the tasks. */
  image: string;
  /** Image with git. */
  helperImage: string;
  /** Between two looks at what is starting, or does not answer. */
  pollIntervalMs: number;
  /** What still runs in a container at the end has so long until it is killed. */
  cleanupGraceMs: number;
}

export interface DockerExecutorConfig extends ContainersConfig {
  /** `unix://`, `tcp://`, `npipe://` or `ssh://`; undefined: whatever the `docker` command finds. */
  host: string | undefined;
  tlsVerify: boolean;
  /** Directory with `ca.pem`, `cert.pem`, `key.pem`; absolute. */
  certPath: string | undefined;
  network: string;
  pullPolicy: 'if-not-present' | 'always' | 'never';
  /** Processors, with fractions. */
  cpuLimit: number | undefined;
  /** `memory_limit` as it was written, for messages. */
  memoryLimit: string | undefined;
  memoryLimitBytes: number | undefined;
  privileged: boolean;
}

export interface KubernetesExecutorConfig extends ContainersConfig {
  /** Absolute; undefined: the service account of the pod that the runner is in. */
  kubeconfig: string | undefined;
  namespace: string;
  serviceAccount: string;
  /** Names of image pull secrets. */
  pullSecrets: readonly string[];
}
