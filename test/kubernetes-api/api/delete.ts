import { namespaces, pods, type ResourceType } from '../objects/resources.ts';
import { selectorOf } from '../objects/selectors.ts';
import type { ObjectStore } from '../objects/store.ts';
import { apiTime, type KubeObject, type Pod } from '../objects/types.ts';
import { readBody } from './body.ts';
import { sendJson, type Call } from './context.ts';
import { conflict, noSuchPath, success } from './status.ts';

interface DeleteOptions {
  gracePeriodSeconds?: number;
  preconditions?: { uid?: string; resourceVersion?: string };
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
}

export async function deleteOne(call: Call): Promise<void> {
  const { cluster, info, response } = call;
  const { type } = info;
  if (!type) throw noSuchPath();
  const options = await readOptions(call);
  const object = cluster.store.get(type, info.namespace, info.name);
  checkPreconditions(type, object, options);
  const deleted = deleteObject(cluster.store, type, object, options);
  const details = { name: info.name, kind: type.plural, uid: object.metadata.uid };
  const isGone = cluster.store.find(type, info.namespace, info.name) === undefined;
  sendJson(response, 200, type === pods || !isGone ? deleted : success(details));
}

export async function deleteMany(call: Call): Promise<void> {
  const { cluster, info, response } = call;
  const { type } = info;
  if (!type) throw noSuchPath();
  const options = await readOptions(call);
  const selected = selectorOf(type, info.query);
  const objects = cluster.store.list(type, info.namespace).filter(selected);
  const items = objects.map((object) => deleteObject(cluster.store, type, object, options));
  const metadata = { resourceVersion: String(cluster.store.version) };
  sendJson(response, 200, { kind: `${type.kind}List`, apiVersion: 'v1', metadata, items });
}

/** Options come in the body or, the older ones, in the query. */
async function readOptions({ info, request }: Call): Promise<DeleteOptions> {
  const grace = info.query.get('gracePeriodSeconds');
  const policy = info.query.get('propagationPolicy');
  const given = ((await readBody(request)) ?? {}) as DeleteOptions;
  return {
    ...(grace !== null && { gracePeriodSeconds: Number(grace) }),
    ...(policy !== null && { propagationPolicy: policy as 'Background' }),
    ...given,
  };
}

function checkPreconditions(type: ResourceType, { metadata }: KubeObject, { preconditions = {} }: DeleteOptions): void {
  const { uid, resourceVersion } = preconditions;
  if (uid !== undefined && uid !== metadata.uid) {
    throw conflict(
      type.plural,
      metadata.name,
      `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw conflict(
      type.plural,
      metadata.name,
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
    );
  }
}

/**
 * A pod on a node gets a time to end in, and the node removes it; everything else is gone at once, unless a finalizer keeps it.
 * Dependents follow, or are let go with `Orphan`.
 */
function deleteObject(
  store: ObjectStore,
  type: ResourceType,
  object: KubeObject,
  { gracePeriodSeconds, propagationPolicy }: DeleteOptions,
): KubeObject {
  if (propagationPolicy === 'Orphan') orphan(store, object);
  const grace = type === pods ? podGrace(object as Pod, gracePeriodSeconds) : 0;
  const waits = grace > 0 || (object.metadata.finalizers ?? []).length > 0 || type === namespaces;
  if (!waits) return store.remove(type, object) ?? object;
  const marked = store.modify(type, object, ({ metadata, status }) => {
    const sooner = metadata.deletionGracePeriodSeconds === undefined || grace < metadata.deletionGracePeriodSeconds;
    if (!sooner) return;
    metadata.deletionTimestamp = apiTime(new Date(Date.now() + grace * 1000));
    metadata.deletionGracePeriodSeconds = grace;
    if (type === namespaces) (status as { phase: string }).phase = 'Terminating';
  });
  return marked ?? object;
}

/** Seconds that a pod has to end. One that runs nowhere, or has ended, needs none. */
function podGrace({ spec, status }: Pod, asked: number | undefined): number {
  if (!spec.nodeName || status.phase === 'Succeeded' || status.phase === 'Failed') return 0;
  return asked ?? spec.terminationGracePeriodSeconds ?? 30;
}

function orphan(store: ObjectStore, owner: KubeObject): void {
  for (const { type, object } of store.dependents(owner.metadata.uid)) {
    store.modify(type, object, ({ metadata }) => {
      metadata.ownerReferences = metadata.ownerReferences?.filter(({ uid }) => uid !== owner.metadata.uid) ?? [];
    });
  }
}
