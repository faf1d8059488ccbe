import type { KubernetesExecutorConfig } from '../../config/index.ts';
import { RemoteError, systemClock, UserError } from '../../lib/index.ts';
import type { ContainersRequest, OpenOptions } from '../containers/engine.ts';
import type { KubernetesClient, Pod } from '../kubernetes/index.ts';
import { PodObserver } from '../kubernetes-executor/pod-observer.ts';
import { waitForPod } from '../kubernetes-executor/wait-for-pod.ts';
import { failure } from './connection.ts';
import { usersOf, type KnownUsers } from './pod-users.ts';
import type { PodContainers } from './pod-containers.ts';
import { taskPod } from './task-pod.ts';

/** How long a pod may take to start (a node is made, large images are pulled), or a quota may be used up by others. */
const patienceSeconds = 15 * 60;
/** So often is a pod made anew because its containers turned out to need other users. */
const maxPods = 3;

/** What every pod does for a while is no news. */
const isUsual = (text: string): boolean =>
  /^Pod is not ready yet: (the pod is pending|container '\w+' is not ready(: (ContainerCreating|PodInitializing))?)$/.test(
    text,
  );

/** What goes wrong with the pod for the moment is seen when it matters. */
const silent = { info: () => undefined, warn: () => undefined };

export interface OpenPodOptions {
  client: KubernetesClient;
  config: KubernetesExecutorConfig;
  /** Value of the runner's label. */
  owner: string;
  containers: PodContainers;
  /** Learned from earlier tasks. */
  known: KnownUsers;
}

/**
 * Makes the pod of a task and resolves when both of its containers run, as the same user. Throws UserError, or the signal's reason; what it
 * has made so far is left to the caller.
 */
export async function openPod(options: OpenPodOptions, request: ContainersRequest, open: OpenOptions): Promise<void> {
  const { config, containers, known, owner } = options;
  const image = request.image ?? config.image;
  for (let made = 1; ; made += 1) {
    // A process that was killed while it made one, or the one before with other users.
    await containers.remove(0);
    const users = known.for(image, config.helperImage);
    const pod = await create(options, taskPod({ request, config, owner, users }), open);
    await ready(options, pod, image, open);
    const found = await usersOf(containers, open.signal);
    if (known.learn(image, config.helperImage, found) || made === maxPods) return;
  }
}

/** Waits for room while a quota is used up. */
async function create({ client, config }: OpenPodOptions, pod: Pod, { say, signal }: OpenOptions): Promise<Pod> {
  const deadline = Date.now() + patienceSeconds * 1000;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await client.createPod(pod, signal);
    } catch (error: unknown) {
      signal.throwIfAborted();
      const isFull = error instanceof RemoteError && error.status === 403 && /exceeded quota/.test(error.message);
      if (!isFull || Date.now() >= deadline)
        throw failure(`make the pod of the task in namespace ${client.namespace}`, error);
      if (isFirst) say(`Waiting for room in namespace ${client.namespace}: ${error.message}`);
    }
    await systemClock.sleep(config.pollIntervalMs, signal).catch(() => undefined);
    signal.throwIfAborted();
  }
}

async function ready(
  { client, config }: OpenPodOptions,
  { metadata }: Pod,
  image: string,
  { say, signal }: OpenOptions,
): Promise<void> {
  const { name, uid = '' } = metadata;
  const observer = new PodObserver({ client, name, logger: silent });
  try {
    const reason = await waitForPod({
      client,
      observer,
      pod: { name, uid },
      timeoutSeconds: patienceSeconds,
      say: (text) => {
        const line = text.trimEnd();
        if (!isUsual(line)) say(line);
      },
      clock: systemClock,
      logger: silent,
      signal,
    });
    signal.throwIfAborted();
    if (reason === undefined) return;
    throw new UserError(`The pod of the task cannot be used: ${reason}`, { hint: hintFor(reason, image, config) });
  } finally {
    await observer.close();
  }
}

function hintFor(reason: string, image: string, { helperImage, pullSecrets }: KubernetesExecutorConfig): string {
  const keys = 'runner.executor.k8s';
  if (/cannot be pulled|InvalidImageName/.test(reason)) {
    const private_ =
      pullSecrets.length === 0
        ? `; for a private one name the secrets with its credentials in ${keys}.pull_secrets`
        : '';
    return `Check the names of the images (${image}, ${helperImage}: the template's executor_image, ${keys}.image and helper_image)${private_}.`;
  }
  if (/"?\/bin\/sh"?.*(no such file|not found)/s.test(reason)) {
    return `Both images (${image}, ${helperImage}) must have /bin/sh and the usual tools (cat, tail, mkdir, kill, …).`;
  }
  if (/schedul/i.test(reason))
    return 'The cluster has no room, or no node that the pod may run on: kubectl describe pod tells what it asks for.';
  return 'kubectl describe pod, in the namespace of the tasks, tells more.';
}
