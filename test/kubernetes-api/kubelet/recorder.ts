import { events } from '../objects/resources.ts';
import type { ObjectStore } from '../objects/store.ts';
import { apiTime, type KubeObject, type Pod } from '../objects/types.ts';

/** Writes events about pods; the same one again counts up. */
export class Recorder {
  readonly #store: ObjectStore;
  readonly #node: string;
  #known = new Map<string, string>();

  constructor(store: ObjectStore, node: string) {
    this.#store = store;
    this.#node = node;
  }

  record(
    pod: Pod,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    { container, component = 'kubelet' }: { container?: string; component?: string } = {},
  ): void {
    const { name, namespace = '', uid, resourceVersion } = pod.metadata;
    const key = JSON.stringify([uid, reason, message, container]);
    const known = this.#known.get(key);
    const before = known === undefined ? undefined : this.#store.find(events, namespace, known);
    if (before) {
      this.#store.modify(events, before, (event) => {
        event.count = Number(event.count) + 1;
        event.lastTimestamp = apiTime();
      });
      return;
    }
    const eventName = `${name}.${process.hrtime.bigint().toString(16)}`;
    this.#known.set(key, eventName);
    const now = apiTime();
    this.#store.create(events, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: eventName, namespace } as KubeObject['metadata'],
      involvedObject: {
        kind: 'Pod',
        apiVersion: 'v1',
        namespace,
        name,
        uid,
        resourceVersion,
        ...(container !== undefined && { fieldPath: `spec.containers{${container}}` }),
      },
      type,
      reason,
      message,
      source: { component, ...(component === 'kubelet' && { host: this.#node }) },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      reportingComponent: component,
      reportingInstance: this.#node,
    });
  }
}
