import { pods } from '../objects/resources.ts';
import type { Change, ObjectStore } from '../objects/store.ts';
import type { Pod } from '../objects/types.ts';
import type { Engine } from './engine.ts';
import type { PodFaults } from './pod-faults.ts';
import { condition } from './pod-status.ts';
import { PodWorker } from './pod-worker.ts';
import type { Recorder } from './recorder.ts';
import { node, refusalToSchedule } from './scheduler.ts';
import type { ContainerRecord } from './container-record.ts';

export interface KubeletParts {
  engine: Engine;
  store: ObjectStore;
  recorder: Recorder;
  faults: PodFaults;
  /** Begins the names of all that is made in the engine. */
  prefix: string;
  /** On all that is made in the engine. */
  labels: Record<string, string>;
  /** For volumes. */
  directory: string;
  sandboxImage: string;
  /** The name of the network that pods are in. */
  network: () => Promise<string>;
  /** Before something is tried again: a start, a pull. It doubles. */
  backOffMs: number;
  /** Aborted when the node goes away. */
  closing: AbortSignal;
  /** Takes the names of images that were not here before. */
  pulled: (image: string) => void;
}

const rescheduleMs = 200;

/** Scheduler and node in one: takes the pods that are created, and removes those that are to be deleted. */
export class Kubelet {
  readonly #parts: KubeletParts;
  /** By the pod's uid. */
  #workers = new Map<string, PodWorker>();
  #ends = new Map<string, Promise<void>>();
  #timers = new Set<NodeJS.Timeout>();
  #closed = false;
  readonly #follow = (change: Change): void => this.#onChange(change);

  constructor(parts: KubeletParts) {
    this.#parts = parts;
    parts.store.changes.on('change', this.#follow);
  }

  /** The container of a pod; undefined before the pod is on the node, or without such a container. */
  container(pod: Pod, name: string): ContainerRecord | undefined {
    return this.#workers.get(pod.metadata.uid)?.record(name);
  }

  get engine(): Engine {
    return this.#parts.engine;
  }

  /** Ends all pods at once. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#parts.store.changes.off('change', this.#follow);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#parts.faults.liftAll();
    // Those that have a time to end in end now, too.
    await Promise.all([...this.#workers.values()].map((worker) => worker.end(0)));
    await Promise.allSettled(this.#ends.values());
  }

  #onChange({ plural, kind, object }: Change): void {
    if (plural !== pods.plural) return;
    const pod = structuredClone(object) as Pod;
    if (kind === 'ADDED') setImmediate(() => this.#schedule(pod));
    else if (kind === 'DELETED') void this.#end(pod, 0);
    else if (pod.metadata.deletionTimestamp) void this.#end(pod, pod.metadata.deletionGracePeriodSeconds ?? 0);
  }

  #schedule(pod: Pod): void {
    const { store, recorder, faults } = this.#parts;
    if (this.#closed) return;
    const refusal = faults.unschedulable(pod) ?? refusalToSchedule(pod);
    if (refusal !== undefined) {
      const current = store.modify<Pod>(pods, pod, ({ status }) => {
        const now = condition('PodScheduled', false, { reason: 'Unschedulable', message: refusal });
        const before = status.conditions?.[0];
        status.conditions = [before?.message === refusal ? before : now];
      });
      if (!current) return;
      recorder.record(pod, 'Warning', 'FailedScheduling', refusal, { component: 'default-scheduler' });
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#schedule(pod);
      }, rescheduleMs);
      this.#timers.add(timer);
      return;
    }
    const bound = store.modify<Pod>(pods, pod, (current) => {
      current.spec.nodeName = node.name;
      current.status.conditions = [condition('PodScheduled', true)];
    });
    if (!bound || bound.metadata.deletionTimestamp) return;
    const text = `Successfully assigned ${pod.metadata.namespace}/${pod.metadata.name} to ${node.name}`;
    recorder.record(pod, 'Normal', 'Scheduled', text, { component: 'default-scheduler' });
    this.#workers.set(pod.metadata.uid, new PodWorker(this.#parts, bound));
  }

  /** Once for a pod, or again when it is to end sooner. */
  async #end(pod: Pod, graceSeconds: number): Promise<void> {
    const { uid } = pod.metadata;
    const key = `${uid}/${graceSeconds}`;
    const worker = this.#workers.get(uid);
    if (this.#ends.has(key)) return;
    const ending = this.#endWorker(pod, worker, graceSeconds);
    this.#ends.set(key, ending);
    await ending;
  }

  async #endWorker(pod: Pod, worker: PodWorker | undefined, graceSeconds: number): Promise<void> {
    const { faults, store, recorder } = this.#parts;
    await faults.beforeDeletion(pod);
    try {
      await worker?.end(graceSeconds);
    } catch (error: unknown) {
      recorder.record(pod, 'Warning', 'FailedKillPod', String(error));
      return;
    }
    this.#workers.delete(pod.metadata.uid);
    if (!pod.metadata.finalizers?.length) store.remove(pods, pod);
  }
}
