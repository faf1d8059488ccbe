import { executorSchema, type ExecutorFile } from './executor-schema.ts';
import type { DockerExecutorConfig, ExecutorConfig, KubernetesExecutorConfig } from './executor-types.ts';
import { dockerBytesOf } from './size.ts';

const pullPolicies = ['if-not-present', 'always', 'never'] as const;

/** Turns `runner.executor` into what the program works with; `path` makes paths absolute. */
export function resolveExecutor(
  file: ExecutorFile,
  path: (value: string | undefined) => string | undefined,
): ExecutorConfig {
  const defaults = executorSchema.parse({});
  return {
    type: file.type,
    docker: resolveDocker(file.docker, defaults.docker, path(file.docker.cert_path)),
    k8s: resolveKubernetes(file.k8s, defaults.k8s, path(file.k8s.kubeconfig)),
  };
}

/** Undefined for a word that is none of them (spec 6.2: it counts as the default). */
export function pullPolicyOf(text: string): DockerExecutorConfig['pullPolicy'] | undefined {
  return pullPolicies.find((policy) => policy === text.trim().toLowerCase());
}

function resolveDocker(
  file: ExecutorFile['docker'],
  defaults: ExecutorFile['docker'],
  certPath: string | undefined,
): DockerExecutorConfig {
  const memoryLimitBytes = dockerBytesOf(file.memory_limit);
  return {
    ...resolveBoth(file, defaults),
    host: file.host || undefined,
    tlsVerify: file.tls_verify,
    certPath,
    network: file.network || defaults.network,
    pullPolicy: pullPolicyOf(file.pull_policy) ?? 'if-not-present',
    cpuLimit: file.cpu_limit || undefined,
    memoryLimit: memoryLimitBytes === undefined ? undefined : file.memory_limit,
    memoryLimitBytes,
    privileged: file.privileged,
  };
}

function resolveKubernetes(
  file: ExecutorFile['k8s'],
  defaults: ExecutorFile['k8s'],
  kubeconfig: string | undefined,
): KubernetesExecutorConfig {
  return {
    ...resolveBoth(file, defaults),
    kubeconfig,
    namespace: file.namespace || defaults.namespace,
    serviceAccount: file.service_account || defaults.service_account,
    pullSecrets: (file.pull_secrets ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  };
}

type Both = ExecutorFile['docker' | 'k8s'];

/** In a file of the original empty text stands for the default. */
function resolveBoth(file: Both, defaults: Both) {
  return {
    image: file.image || defaults.image,
    helperImage: file.helper_image || defaults.helper_image,
    pollIntervalMs: file.poll_interval_seconds * 1000,
    cleanupGraceMs: file.cleanup_grace_seconds * 1000,
  };
}
