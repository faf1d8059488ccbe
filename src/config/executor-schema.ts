import * as z from 'zod';
import { choice, flag, optionalText, wholeOrZero, type KeyMeta } from './meta.ts';
import { sizePattern } from './size.ts';

/** `runner.executor` (spec 6.1, 6.2). `SEMAPHORE_RUNNER_EXECUTOR` holds it as one JSON object; single variables override that. */

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
  }),
  namespace: text('semaphore', {
    description: 'Namespace of task pods.',
    env: 'SEMAPHORE_RUNNER_K8S_NAMESPACE',
  }),
  image: text('semaphoreui/job:latest', {
    description: 'Image of task pods; a template’s `executor_image` comes before it.',
    env: 'SEMAPHORE_RUNNER_K8S_IMAGE',
  }),
  helper_image: text('semaphoreui/helper:latest', {
    description: 'Image with git, which brings the repositories.',
    env: 'SEMAPHORE_RUNNER_K8S_HELPER_IMAGE',
  }),
  service_account: text('default', {
    description: 'Service account of task pods.',
    env: 'SEMAPHORE_RUNNER_K8S_SERVICE_ACCOUNT',
  }),
  pull_secrets: optionalText({
    description: 'Names of image pull secrets, separated by commas.',
    env: 'SEMAPHORE_RUNNER_K8S_PULL_SECRETS',
  }),
  poll_interval_seconds: wholeOrZero(
    { byDefault: 3 },
    {
      description: 'Seconds between two looks at a pod.',
      env: 'SEMAPHORE_RUNNER_K8S_POLL_INTERVAL_SECONDS',
    },
  ),
  cleanup_grace_seconds: wholeOrZero(
    { byDefault: 30 },
    {
      description: 'Seconds a stopped pod has until it is killed.',
      env: 'SEMAPHORE_RUNNER_K8S_CLEANUP_GRACE_SECONDS',
    },
  ),
});

const dockerSchema = z.object({
  host: optionalText({
    description:
      'Docker engine (`unix://`, `tcp://`, `npipe://`, `ssh://`); empty: what the `docker` command of the runner’s user talks to (`DOCKER_HOST`, its context, or the local socket).',
    example: 'unix:///var/run/docker.sock',
    env: 'SEMAPHORE_RUNNER_DOCKER_HOST',
  }),
  tls_verify: flag(false, {
    description: 'Talk TLS to an engine at `tcp://` and check its certificate.',
    env: 'SEMAPHORE_RUNNER_DOCKER_TLS_VERIFY',
  }),
  cert_path: optionalText({
    description:
      'Directory with `ca.pem`, `cert.pem` and `key.pem` for TLS; without `tls_verify` the engine’s certificate is not checked.',
    env: 'SEMAPHORE_RUNNER_DOCKER_CERT_PATH',
  }),
  image: text('semaphoreui/job:latest', {
    description: 'Image of task containers; a template’s `executor_image` comes before it.',
    env: 'SEMAPHORE_RUNNER_DOCKER_IMAGE',
  }),
  helper_image: text('semaphoreui/helper:latest', {
    description: 'Image with git, which brings the repositories.',
    env: 'SEMAPHORE_RUNNER_DOCKER_HELPER_IMAGE',
  }),
  network: text('bridge', {
    description: 'Network of task containers; it must be there, unless it is `bridge`, `host` or `none`.',
    env: 'SEMAPHORE_RUNNER_DOCKER_NETWORK',
  }),
  pull_policy: text('if-not-present', {
    description: 'When to pull the images: `if-not-present`, `always` or `never`. Anything else counts as the default.',
    env: 'SEMAPHORE_RUNNER_DOCKER_PULL_POLICY',
  }),
  cpu_limit: z.number().min(0).default(0).meta({
    description: 'Processors a container may use; 0: no limit.',
    env: 'SEMAPHORE_RUNNER_DOCKER_CPU_LIMIT',
  }),
  memory_limit: z.string().regex(sizePattern).optional().meta({
    description:
      'Memory a container may use, swap included, as Docker reads it: `512m`, `2g` (1 g is 1024 m); at least 6m.',
    env: 'SEMAPHORE_RUNNER_DOCKER_MEMORY_LIMIT',
    defaultText: 'no limit',
    example: '2g',
  }),
  poll_interval_seconds: wholeOrZero(
    { byDefault: 2 },
    {
      description: 'Seconds between two looks at a container that is starting, or does not answer.',
      env: 'SEMAPHORE_RUNNER_DOCKER_POLL_INTERVAL_SECONDS',
    },
  ),
  cleanup_grace_seconds: wholeOrZero(
    { byDefault: 30 },
    {
      description: 'Seconds that what still runs in a container has at the end of a task until it is killed.',
      env: 'SEMAPHORE_RUNNER_DOCKER_CLEANUP_GRACE_SECONDS',
    },
  ),
  privileged: flag(false, {
    description: 'Run task containers privileged: a task is then root on the engine’s machine.',
    env: 'SEMAPHORE_RUNNER_DOCKER_PRIVILEGED',
  }),
});

export const executorSchema = z
  .object({
    type: choice(['local', 'docker', 'k8s'], 'local', {
      description:
        'Where tasks run: on this machine, each in containers of its own on a Docker engine, or each in a pod of its own.',
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

/** The section after parsing and defaults, names as in the file. */
export type ExecutorFile = z.output<typeof executorSchema>;
