import { setTimeout as sleep } from 'node:timers/promises';
import type { Container, Pod } from '../objects/types.ts';
import { containerConfig } from './container-config.ts';
import type { ContainerRecord } from './container-record.ts';
import { EngineError } from './engine.ts';
import { environmentOf } from './environment.ts';
import { ensureImage } from './images.ts';
import type { KubeletParts } from './kubelet.ts';
import type { MountedVolume } from './volumes.ts';
import { Waiting } from './waiting.ts';

/** The pod that a container lives in. */
export interface PodPlace {
  parts: KubeletParts;
  pod: Pod;
  /** Begins the names of the pod's containers in the engine. */
  prefix: string;
  sandbox: string;
  podIp: string;
  volumes: ReadonlyMap<string, MountedVolume>;
  /** Aborted when the pod is to end. */
  ending: AbortSignal;
  /** Writes the pod's status. */
  report: () => void;
  /** Writes an event about the container. */
  event: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
}

/**
 * Starts a container, and again as the restart policy says. Calls `attempted` when it runs for the first time or has to wait, for then the
 * next container's turn has come. Resolves with its last exit code, or undefined when the pod ends before it has one.
 */
export async function liveContainer(
  place: PodPlace,
  container: Container,
  record: ContainerRecord,
  isInit: boolean,
  attempted: () => void,
): Promise<number | undefined> {
  const { parts, pod, ending, event, report } = place;
  let delay = parts.backOffMs;
  while (!ending.aborted) {
    try {
      await start(place, container, record);
      attempted();
      // The end came while it was being started.
      if (ending.aborted && record.id !== undefined) await parts.engine.stop(record.id, 0);
      if (record.isRunning && record.id !== undefined) await awaitEnd(place, record.id, record);
      const code = record.status.state.terminated?.exitCode;
      if (ending.aborted || !isRestarted(pod, code, isInit)) return code;
      record.restarting(delay);
      event('Warning', 'BackOff', 'Back-off restarting failed container');
    } catch (error: unknown) {
      if (ending.aborted) return undefined;
      await wait(place, container, record, error, attempted);
    }
    report();
    await sleep(delay, undefined, { signal: ending }).catch(() => undefined);
    delay = Math.min(delay * 2, 10 * parts.backOffMs);
  }
  return undefined;
}

async function start(place: PodPlace, container: Container, record: ContainerRecord): Promise<void> {
  const { parts, pod, sandbox, volumes, ending, event, report } = place;
  const { engine, store, pulled } = parts;
  const image = await ensureImage(engine, store, pod, container, { event, pulled }, ending);
  const environment = environmentOf(container, { store, pod, podIp: place.podIp });
  const labels = {
    ...parts.labels,
    'io.kubernetes.pod.name': pod.metadata.name,
    'io.kubernetes.container.name': container.name,
  };
  const config = containerConfig({ pod, container, image, sandbox, environment, volumes, labels });
  ending.throwIfAborted();
  if (record.id !== undefined) await engine.remove(record.id);
  record.id = await engine.create(`${place.prefix}-${container.name}`, config);
  event('Normal', 'Created', `Created container ${container.name}`);
  try {
    await engine.start(record.id);
  } catch (error: unknown) {
    if (!(error instanceof EngineError)) throw error;
    const text = `failed to start container "${record.id}": Error response from daemon: ${error.message}`;
    record.notStarted(text);
    event('Warning', 'Failed', `Error: ${text}`);
    report();
    return;
  }
  record.running(record.id, image.Id, await engine.inspect(record.id));
  event('Normal', 'Started', `Started container ${container.name}`);
  report();
}

async function awaitEnd({ parts, report }: PodPlace, id: string, record: ContainerRecord): Promise<void> {
  const { engine, closing } = parts;
  try {
    await engine.wait(id, closing);
    record.ended(await engine.inspect(id));
  } catch (error: unknown) {
    if (closing.aborted) return;
    // Somebody has removed the container behind the node's back.
    record.lost(error instanceof Error ? error.message : String(error));
  }
  report();
}

/** The container waits; an image that could not be pulled is shown first as ErrImagePull, then as ImagePullBackOff. */
async function wait(
  { parts, ending, event, report }: PodPlace,
  container: Container,
  record: ContainerRecord,
  error: unknown,
  attempted: () => void,
): Promise<void> {
  const reason = error instanceof Waiting ? error.reason : 'CreateContainerError';
  const message = error instanceof Error ? error.message : String(error);
  record.waiting(reason, message);
  if (reason.startsWith('CreateContainer')) event('Warning', 'Failed', `Error: ${message}`);
  report();
  attempted();
  if (reason !== 'ErrImagePull') return;
  await sleep(parts.backOffMs, undefined, { signal: ending }).catch(() => undefined);
  const text = `Back-off pulling image "${container.image}"`;
  record.waiting('ImagePullBackOff', text);
  event('Normal', 'BackOff', text);
  event('Warning', 'Failed', 'Error: ImagePullBackOff');
}

function isRestarted({ spec }: Pod, code: number | undefined, isInit: boolean): boolean {
  if (spec.restartPolicy === 'Always' && !isInit) return true;
  return spec.restartPolicy !== 'Never' && code !== 0;
}
