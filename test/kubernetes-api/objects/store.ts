import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { alreadyExists, conflict, expired, notFound } from '../api/status.ts';
import { resourceTypes, type ResourceType } from './resources.ts';
import { apiTime, type KubeObject } from './types.ts';

/** One step of the history. `before` is what the object was, for watchers whose selector it leaves or enters. */
export interface Change {
  version: number;
  plural: string;
  kind: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: KubeObject;
  before: KubeObject | undefined;
}

/** As many changes as are remembered for watches that start in the past. */
const historyLimit = 10_000;

/** All objects, and the history of their changes under one counting resource version, as etcd keeps them. */
export class ObjectStore {
  /** Emits `change` after each one. */
  readonly changes = new EventEmitter<{ change: [Change] }>();
  #version = 1;
  #objects = new Map<string, Map<string, KubeObject>>();
  #history: Change[] = [];
  /** Changes up to this one are forgotten. */
  #forgotten = 0;

  constructor() {
    this.changes.setMaxListeners(0);
  }

  get version(): number {
    return this.#version;
  }

  find(type: ResourceType, namespace: string | undefined, name: string): KubeObject | undefined {
    return structuredClone(this.#of(type).get(keyOf(type, namespace, name)));
  }

  /** Throws the API's 404. */
  get(type: ResourceType, namespace: string | undefined, name: string): KubeObject {
    const found = this.find(type, namespace, name);
    if (!found) throw notFound(type.plural, name);
    return found;
  }

  /** In the order of their names; of all namespaces when none is given. */
  list(type: ResourceType, namespace?: string): KubeObject[] {
    const all = [...this.#of(type)].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => structuredClone(object));
    return namespace === undefined ? all : all.filter(({ metadata }) => metadata.namespace === namespace);
  }

  create(type: ResourceType, object: KubeObject): KubeObject {
    const { name, namespace } = object.metadata;
    if (this.#of(type).has(keyOf(type, namespace, name))) throw alreadyExists(type.plural, name);
    object.metadata.uid = randomUUID();
    object.metadata.creationTimestamp = apiTime();
    return this.#put(type, 'ADDED', object, undefined);
  }

  /** Throws the API's 409 when the object carries a version that is not the current one. */
  update(type: ResourceType, object: KubeObject): KubeObject {
    const { name, namespace, resourceVersion } = object.metadata;
    const current = this.get(type, namespace, name);
    if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
      const text = 'the object has been modified; please apply your changes to the latest version and try again';
      throw conflict(type.plural, name, text);
    }
    return JSON.stringify(object) === JSON.stringify(current) ? current : this.#put(type, 'MODIFIED', object, current);
  }

  /** Changes the current state of an object, whatever its version; undefined when it is gone. */
  modify<T extends KubeObject>(type: ResourceType, object: T, change: (current: T) => void): T | undefined {
    const { name, namespace, uid } = object.metadata;
    const current = this.find(type, namespace, name);
    if (!current || current.metadata.uid !== uid) return undefined;
    change(current as T);
    return this.update(type, current) as T;
  }

  /** Takes the object out of the store at once. */
  remove(type: ResourceType, object: KubeObject): KubeObject | undefined {
    const { name, namespace, uid } = object.metadata;
    const current = this.find(type, namespace, name);
    if (!current || current.metadata.uid !== uid) return undefined;
    return this.#put(type, 'DELETED', structuredClone(current), current);
  }

  /** Whether an object with this uid is there. */
  hasUid(uid: string): boolean {
    return this.#all().some(({ object }) => object.metadata.uid === uid);
  }

  /** The objects that name `uid` as an owner. */
  dependents(uid: string): { type: ResourceType; object: KubeObject }[] {
    return this.#all().filter(({ object }) => object.metadata.ownerReferences?.some((owner) => owner.uid === uid));
  }

  /** What has changed after `version`. Throws the API's 410 when that is forgotten. */
  since(plural: string, version: number): Change[] {
    if (version < this.#forgotten) throw expired(`too old resource version: ${version} (${this.#forgotten})`);
    return this.#history.filter((change) => change.version > version && change.plural === plural);
  }

  /** Forgets all changes so far, as the API's storage does after some minutes. */
  forgetHistory(): void {
    this.#version += 1;
    this.#forgotten = this.#version;
    this.#history = [];
  }

  #put(type: ResourceType, kind: Change['kind'], object: KubeObject, before: KubeObject | undefined): KubeObject {
    this.#version += 1;
    object.metadata.resourceVersion = String(this.#version);
    const kept = structuredClone(object);
    const key = keyOf(type, object.metadata.namespace, object.metadata.name);
    if (kind === 'DELETED') this.#of(type).delete(key);
    else this.#of(type).set(key, kept);
    const change: Change = { version: this.#version, plural: type.plural, kind, object: kept, before };
    this.#history.push(change);
    if (this.#history.length > historyLimit) this.#forgotten = this.#history.shift()?.version ?? this.#forgotten;
    this.changes.emit('change', change);
    return structuredClone(kept);
  }

  #all(): { type: ResourceType; object: KubeObject }[] {
    return resourceTypes.flatMap((type) => this.list(type).map((object) => ({ type, object })));
  }

  #of(type: ResourceType): Map<string, KubeObject> {
    const found = this.#objects.get(type.plural) ?? new Map<string, KubeObject>();
    this.#objects.set(type.plural, found);
    return found;
  }
}

function keyOf(type: ResourceType, namespace: string | undefined, name: string): string {
  return type.namespaced ? `${namespace}/${name}` : name;
}
