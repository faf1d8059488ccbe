import * as z from 'zod';
import { choice, flag, textList, whole, type KeyMeta } from './meta.ts';

/** Numbers of the original are 64 bits wide; nobody means more than this. */
const mostSeconds = Number.MAX_SAFE_INTEGER;

function text(meta: KeyMeta) {
  return z
    .string()
    .default('')
    .meta({ ...meta });
}

/** Jobs in pods (spec CI 6.3). */
const kubernetesKeys = {
  'kubernetes-executor': flag(false, {
    description: 'Run every job in a Kubernetes pod.',
    env: 'SEMAPHORE_AGENT_KUBERNETES_EXECUTOR',
  }),
  'kubernetes-pod-spec': text({
    description: 'Name of a ConfigMap that decorates the pod.',
    env: 'SEMAPHORE_AGENT_KUBERNETES_POD_SPEC',
    example: 'semaphore-pod',
  }),
  'kubernetes-allowed-images': textList({
    description: 'Regular expressions; only images that match one are run. An empty list allows all.',
    env: 'SEMAPHORE_AGENT_KUBERNETES_ALLOWED_IMAGES',
    example: ['^registry\\.example\\.com/'],
  }),
  'kubernetes-labels': textList({
    description: '`key=value`, put on the pods and secrets that are made.',
    env: 'SEMAPHORE_AGENT_KUBERNETES_LABELS',
    example: ['team=build'],
  }),
  'kubernetes-pod-start-timeout': whole(
    { min: -mostSeconds, max: mostSeconds, byDefault: 300 },
    {
      description: 'Seconds that a pod may take to start; 0 stands for 60.',
      env: 'SEMAPHORE_AGENT_KUBERNETES_POD_START_TIMEOUT',
    },
  ),
  'kubernetes-default-image': text({
    description: 'Image for jobs that name none.',
    env: 'SEMAPHORE_AGENT_KUBERNETES_DEFAULT_IMAGE',
    example: 'ubuntu:24.04',
  }),
};

/** Own additions; a file that has them does not load with the original. */
const ownKeys = {
  'mask-job-secrets': flag(false, {
    description:
      "Replace the values of the job's variables and the lines of its files with `***` in the job log. Off, because the log is then no longer byte for byte what the commands printed.",
    env: 'SEMAPHORE_AGENT_MASK_JOB_SECRETS',
    own: true,
  }),
  'state-dir': text({
    description:
      'Directory for job logs until the server has them; the next agent with the same one delivers what is left.',
    env: 'SEMAPHORE_AGENT_STATE_DIR',
    own: true,
    defaultText:
      'that of the systemd unit (`StateDirectory=`), else `semaphore-agent-<uid>` in the directory for temporary files',
    example: '/var/lib/semaphore-agent',
  }),
};

/** The options of `agent start` (spec CI 1.4), by their flag and key in the file; each has a variable. */
export const agentSchema = z.object({
  name: text({
    description: 'Name of the agent, 8 to 80 bytes; or a URL that proves who this machine is (AWS STS, pre-signed).',
    env: 'SEMAPHORE_AGENT_NAME',
    defaultText: 'a random one',
    example: 'builder-eu-07',
  }),
  'name-from-env': text({
    description: 'Environment variable that holds the name. Deprecated: `SEMAPHORE_AGENT_NAME` does the same.',
    env: 'SEMAPHORE_AGENT_NAME_FROM_ENV',
    example: 'HOSTNAME',
  }),
  endpoint: text({
    description: 'Host of the organization, with port if it is another, without `https://`. Mandatory.',
    env: 'SEMAPHORE_AGENT_ENDPOINT',
    example: 'acme.semaphoreci.com',
  }),
  token: text({
    description: 'Registration token of the agent type. Mandatory.',
    env: 'SEMAPHORE_AGENT_TOKEN',
    sensitive: true,
  }),
  'no-https': flag(false, {
    description: 'Speak HTTP with the endpoint. For tests only: the token is then readable on the way.',
    env: 'SEMAPHORE_AGENT_NO_HTTPS',
  }),
  'shutdown-hook-path': text({
    description: 'Script that is run last, with `SEMAPHORE_AGENT_SHUTDOWN_REASON`.',
    env: 'SEMAPHORE_AGENT_SHUTDOWN_HOOK_PATH',
    example: '/opt/semaphore/hooks/shutdown.sh',
  }),
  'pre-job-hook-path': text({
    description: "Script that is run in the job's shell before its commands.",
    env: 'SEMAPHORE_AGENT_PRE_JOB_HOOK_PATH',
    example: '/opt/semaphore/hooks/pre-job.sh',
  }),
  'post-job-hook-path': text({
    description: "Script that is run in the job's shell after everything else; it cannot change the result.",
    env: 'SEMAPHORE_AGENT_POST_JOB_HOOK_PATH',
    example: '/opt/semaphore/hooks/post-job.sh',
  }),
  'disconnect-after-job': flag(false, {
    description: 'Be an agent for a single job.',
    env: 'SEMAPHORE_AGENT_DISCONNECT_AFTER_JOB',
  }),
  'job-id': text({
    description: 'The only job to ask for. Needs `disconnect-after-job`.',
    env: 'SEMAPHORE_AGENT_JOB_ID',
    example: '0c6f2f1e-9d0a-4b53-8d77-5c1f6f0b7f10',
  }),
  'disconnect-after-idle-timeout': whole(
    { min: -mostSeconds, max: mostSeconds, byDefault: 0 },
    {
      description: 'Seconds without a job after which the server ends the agent; 0 means never.',
      env: 'SEMAPHORE_AGENT_DISCONNECT_AFTER_IDLE_TIMEOUT',
      example: 300,
    },
  ),
  'interruption-grace-period': whole(
    { min: -mostSeconds, max: mostSeconds, byDefault: 0 },
    {
      description: 'Seconds that a running job may go on after SIGTERM or Ctrl-C.',
      env: 'SEMAPHORE_AGENT_INTERRUPTION_GRACE_PERIOD',
      example: 60,
    },
  ),
  'env-vars': textList({
    description: '`NAME=VALUE`, exported into every job; these win over the variables of the job.',
    env: 'SEMAPHORE_AGENT_ENV_VARS',
    example: ['CACHE_DIR=/var/cache/ci'],
  }),
  files: textList({
    description: '`hostpath:containerpath`, mounted into the main container of a job (Docker only).',
    env: 'SEMAPHORE_AGENT_FILES',
    example: ['/etc/ci/npmrc:/root/.npmrc'],
  }),
  'fail-on-missing-files': flag(false, {
    description: 'A host file of `files` that is missing fails the job instead of being left out.',
    env: 'SEMAPHORE_AGENT_FAIL_ON_MISSING_FILES',
  }),
  'upload-job-logs': choice(['never', 'always', 'when-trimmed'], 'never', {
    description: 'When the log of a job is uploaded as an artifact, besides being streamed.',
    env: 'SEMAPHORE_AGENT_UPLOAD_JOB_LOGS',
  }),
  'fail-on-pre-job-hook-error': flag(false, {
    description: 'A pre-job hook that fails makes the job fail.',
    env: 'SEMAPHORE_AGENT_FAIL_ON_PRE_JOB_HOOK_ERROR',
  }),
  'source-pre-job-hook': flag(false, {
    description: 'Source the pre-job hook instead of running it, so that it can set variables.',
    env: 'SEMAPHORE_AGENT_SOURCE_PRE_JOB_HOOK',
  }),
  ...kubernetesKeys,
  ...ownKeys,
});

export type AgentValues = z.output<typeof agentSchema>;
export type AgentKey = keyof AgentValues;
