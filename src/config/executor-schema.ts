import * as z from 'zod';
import { choice, flag, optionalText, wholeOrZero, type KeyMeta } from './meta.ts';

/** `runner.executor` (spec 6.1, 6.2). `SEMAPHORE_RUNNER_EXECUTOR` holds it as one JSON object; single variables override that. */

const notYet = { unused: 'only the local executor is available yet' };

function text(byDefault: string, meta: KeyMeta) {
  return z
    .string()
    .default(byDefault)
    .meta({ ...meta });
}

const k8sSchema = z.object({
  kubeconfig: optionalText({
    description: 'Kubernetes configuration file; empty: the service account of the pod.',
    env: 'SEMAPHORE_RUNNER_K8S_KUBECONFIG',
    ...notYet,
  }),
  namespace: text('semaphore', {
    description: 'Namespace of task pods.',
    env: 'SEMAPHORE_RUNNER_K8S_NAMESPACE',
    ...notYet,
  }),
  image: text('semaphoreui/job:latest', {
    description: 'Image of task pods.',
    env: 'SEMAPHORE_RUNNER_K8S_IMAGE',
    ...notYet,
  }),
  helper_image: text('semaphoreui/helper:latest', {
    description: 'Image that clones the repository.',
    env: 'SEMAPHORE_RUNNER_K8S_HELPER_IMAGE',
    ...notYet,
  }),
  service_account: text('default', {
    description: 'Service account of task pods.',
    env: 'SEMAPHORE_RUNNER_K8S_SERVICE_ACCOUNT',
    ...notYet,
  }),
  pull_secrets: optionalText({
    description: 'Names of image pull secrets, separated by commas.',
    env: 'SEMAPHORE_RUNNER_K8S_PULL_SECRETS',
    ...notYet,
  }),
  poll_interval_seconds: wholeOrZero(
    { byDefault: 3 },
    {
      description: 'Seconds between two looks at a pod.',
      env: 'SEMAPHORE_RUNNER_K8S_POLL_INTERVAL_SECONDS',
      ...notYet,
    },
  ),
  cleanup_grace_seconds: wholeOrZero(
    { byDefault: 30 },
    {
      description: 'Seconds a stopped pod has until it is killed.',
      env: 'SEMAPHORE_RUNNER_K8S_CLEANUP_GRACE_SECONDS',
      ...notYet,
    },
  ),
});

const dockerSchema = z.object({
  host: optionalText({
    description: 'Docker engine (`unix://`, `tcp://`); empty: `DOCKER_HOST` or the local socket.',
    env: 'SEMAPHORE_RUNNER_DOCKER_HOST',
    ...notYet,
  }),
  tls_verify: flag(false, {
    description: 'Check the engine’s certificate.',
    env: 'SEMAPHORE_RUNNER_DOCKER_TLS_VERIFY',
    ...notYet,
  }),
  cert_path: optionalText({
    description: 'Directory with `ca.pem`, `cert.pem` and `key.pem`.',
    env: 'SEMAPHORE_RUNNER_DOCKER_CERT_PATH',
    ...notYet,
  }),
  image: text('semaphoreui/job:latest', {
    description: 'Image of task containers.',
    env: 'SEMAPHORE_RUNNER_DOCKER_IMAGE',
    ...notYet,
  }),
  helper_image: text('semaphoreui/helper:latest', {
    description: 'Image that clones the repository.',
    env: 'SEMAPHORE_RUNNER_DOCKER_HELPER_IMAGE',
    ...notYet,
  }),
  network: text('bridge', {
    description: 'Network of task containers.',
    env: 'SEMAPHORE_RUNNER_DOCKER_NETWORK',
    ...notYet,
  }),
  pull_policy: choice(['if-not-present', 'always', 'never'], 'if-not-present', {
    description: 'When to pull the image.',
    env: 'SEMAPHORE_RUNNER_DOCKER_PULL_POLICY',
    ...notYet,
  }),
  cpu_limit: z
    .number()
    .min(0)
    .default(0)
    .meta({
      description: 'Processors a container may use; 0: no limit.',
      env: 'SEMAPHORE_RUNNER_DOCKER_CPU_LIMIT',
      ...notYet,
    }),
  memory_limit: optionalText({
    description: 'Memory a container may use, for example `2g`.',
    env: 'SEMAPHORE_RUNNER_DOCKER_MEMORY_LIMIT',
    ...notYet,
  }),
  poll_interval_seconds: wholeOrZero(
    { byDefault: 2 },
    {
      description: 'Seconds between two looks at a container.',
      env: 'SEMAPHORE_RUNNER_DOCKER_POLL_INTERVAL_SECONDS',
      ...notYet,
    },
  ),
  cleanup_grace_seconds: wholeOrZero(
    { byDefault: 30 },
    {
      description: 'Seconds a stopped container has until it is killed.',
      env: 'SEMAPHORE_RUNNER_DOCKER_CLEANUP_GRACE_SECONDS',
      ...notYet,
    },
  ),
  privileged: flag(false, {
    description: 'Run containers privileged.',
    env: 'SEMAPHORE_RUNNER_DOCKER_PRIVILEGED',
    ...notYet,
  }),
});

export const executorSchema = z
  .object({
    type: choice(['local', 'docker', 'k8s'], 'local', {
      description: 'Where tasks run; only `local` is available yet.',
      env: 'SEMAPHORE_RUNNER_EXECUTOR_TYPE',
    }),
    k8s: k8sSchema.prefault({}),
    docker: dockerSchema.prefault({}),
  })
  .prefault({})
  .meta({
    description: 'The whole object as JSON; the variables of single keys override it.',
    env: 'SEMAPHORE_RUNNER_EXECUTOR',
  });
