import { configMaps, events, namespaces, pods, resourceTypes, secrets, serviceAccounts } from './resources.ts';
import type { ObjectStore } from './store.ts';
import { apiTime, type KubeObject, type Pod } from './types.ts';
import type { ResourceType } from './resources.ts';

/**
 * The controllers that the API's semantics need: what belongs to an owner goes with it, what is in a namespace goes with the
 * namespace, and a namespace has its default service account.
 */
export function collectGarbage(store: ObjectStore): void {
  store.changes.on('change', ({ kind, plural, object }) => {
    if (kind === 'DELETED')
      for (const found of store.dependents(object.metadata.uid)) setImmediate(dropDependent, store, found);
    if (kind === 'ADDED') {
      const type = resourceTypes.find((known) => known.plural === plural);
      if (type && object.metadata.ownerReferences) setImmediate(dropDependent, store, { type, object });
    }
    if (plural === 'namespaces' && kind === 'ADDED') addDefaultAccount(store, object.metadata.name);
    if (kind === 'MODIFIED' && plural === 'namespaces' && object.metadata.deletionTimestamp) {
      setImmediate(emptyNamespace, store, object);
    }
    // The last thing of a namespace that ends lets it end.
    const { namespace } = object.metadata;
    if (kind === 'DELETED' && namespace !== undefined) {
      const owner = store.find(namespaces, undefined, namespace);
      if (owner?.metadata.deletionTimestamp) setImmediate(emptyNamespace, store, owner);
    }
  });
}

/** Removes an object whose owners are all gone. */
function dropDependent(store: ObjectStore, { type, object }: { type: ResourceType; object: KubeObject }): void {
  const current = store.find(type, object.metadata.namespace, object.metadata.name);
  const owners = current?.metadata.ownerReferences ?? [];
  if (!current || owners.length === 0 || owners.some(({ uid }) => store.hasUid(uid))) return;
  end(store, type, current);
}

function end(store: ObjectStore, type: ResourceType, object: KubeObject): void {
  const pod = type === pods ? (object as Pod) : undefined;
  if (!pod?.spec.nodeName || ['Succeeded', 'Failed'].includes(pod.status.phase)) {
    store.remove(type, object);
    return;
  }
  if (object.metadata.deletionTimestamp) return;
  const grace = pod.spec.terminationGracePeriodSeconds ?? 30;
  store.modify(type, object, ({ metadata }) => {
    metadata.deletionTimestamp = apiTime(new Date(Date.now() + grace * 1000));
    metadata.deletionGracePeriodSeconds = grace;
  });
}

function emptyNamespace(store: ObjectStore, namespace: KubeObject): void {
  const { name } = namespace.metadata;
  for (const type of [pods, secrets, configMaps, serviceAccounts, events]) {
    for (const object of store.list(type, name)) end(store, type, object);
  }
  if (store.list(pods, name).length === 0) store.remove(namespaces, namespace);
}

function addDefaultAccount(store: ObjectStore, namespace: string): void {
  const metadata = { name: 'default', namespace } as KubeObject['metadata'];
  store.create(serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
}
