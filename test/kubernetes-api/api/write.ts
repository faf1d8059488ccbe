import { randomBytes } from 'node:crypto';
import { invalidObject } from '../objects/field-error.ts';
import { applyPatch } from '../objects/patch.ts';
import { serviceAccounts, namespaces, pods, type ResourceType } from '../objects/resources.ts';
import { decode } from '../objects/shape.ts';
import type { KubeObject, Pod } from '../objects/types.ts';
import { readBody } from './body.ts';
import { sendJson, type Call } from './context.ts';
import { badRequest, conflict, forbidden, noSuchPath, notFound } from './status.ts';

/** What changes objects: create, update, patch. Deletion is in `delete.ts`. */
export { deleteMany, deleteOne } from './delete.ts';

export async function createObject(call: Call): Promise<void> {
  const { cluster, info, request, response } = call;
  const type = typeOf(call);
  const object = take(call, type, await readBody(request));
  const metadata = object.metadata;
  if (type.namespaced) metadata.namespace = namespaceOf(call, metadata.namespace);
  if (!metadata.name && metadata.generateName) {
    metadata.name = `${metadata.generateName.slice(0, 58)}${randomBytes(4).toString('hex').slice(0, 5)}`;
  }
  metadata.name ??= '';
  for (const field of ['uid', 'resourceVersion', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink']) {
    if (field === 'resourceVersion' && metadata.resourceVersion) {
      throw badRequest('resourceVersion should not be set on objects to be created');
    }
    delete metadata[field];
  }
  type.fillIn(object);
  check(type, object);
  const { name } = metadata;
  if (type.namespaced) checkNamespace(call, type, name);
  if (type === pods) checkServiceAccount(call, object as Pod);
  const used = (): number =>
    (cluster.store.list(pods, info.namespace) as Pod[]).filter(({ status }) =>
      ['Pending', 'Running'].includes(status.phase),
    ).length;
  cluster.faults.beforeCreate(info, name, used);
  if (isDryRun(call)) return sendJson(response, 201, object);
  const created = cluster.store.create(type, object);
  sendJson(response, 201, created);
}

export async function updateObject(call: Call): Promise<void> {
  const type = typeOf(call);
  const object = take(call, type, await readBody(call.request));
  change(call, type, object);
}

export async function patchObject(call: Call): Promise<void> {
  const { cluster, info, request } = call;
  const type = typeOf(call);
  const patch = await readBody(request);
  const current = cluster.store.get(type, info.namespace, info.name);
  const patched = applyPatch(request.headers['content-type'] ?? '', current, patch, type.shape);
  change(call, type, take(call, type, patched));
}

function change(call: Call, type: ResourceType, object: KubeObject): void {
  const { cluster, info, response } = call;
  const { store } = cluster;
  const old = store.get(type, info.namespace, info.name);
  const given = object.metadata;
  if (given.name !== info.name) {
    throw badRequest(`the name of the object (${given.name}) does not match the name on the URL (${info.name})`);
  }
  if (given.uid && given.uid !== old.metadata.uid) {
    const text = `Precondition failed: UID in precondition: ${given.uid}, UID in object meta: ${old.metadata.uid}`;
    throw conflict(type.plural, info.name, text);
  }
  const fixed = ['uid', 'creationTimestamp', 'namespace', 'deletionTimestamp', 'deletionGracePeriodSeconds'];
  for (const field of fixed) {
    if (old.metadata[field] === undefined) delete given[field];
    else given[field] = old.metadata[field];
  }
  const isStatus = info.subresource === 'status';
  if (type === pods) {
    // Either the status or the rest: the other half stays what it is.
    if (isStatus)
      object = { ...old, status: object.status, metadata: { ...old.metadata, resourceVersion: given.resourceVersion } };
    else object.status = (old as Pod).status;
  } else type.fillIn(object);
  check(type, object, old);
  cluster.faults.beforeChange(info, info.name);
  if (isDryRun(call)) return sendJson(response, 200, object);
  const updated = store.update(type, object);
  // The last finalizer of an object that is to be deleted is gone.
  const isFreed = updated.metadata.deletionTimestamp && type !== pods && !updated.metadata.finalizers?.length;
  if (isFreed) store.remove(type, updated);
  sendJson(response, 200, updated);
}

function typeOf({ info }: Call): ResourceType {
  if (!info.type) throw noSuchPath();
  return info.type;
}

/** The object in a body: its kind must be that of the path, fields that are not known are left out, warned about or refused. */
function take({ info, response }: Call, type: ResourceType, body: unknown): KubeObject {
  const { kind, apiVersion } = (body ?? {}) as { kind?: unknown; apiVersion?: unknown };
  const expected = type.group === '' ? 'v1' : `${type.group}/v1`;
  if ((kind !== undefined && kind !== type.kind) || (apiVersion !== undefined && apiVersion !== expected)) {
    throw badRequest(
      `${String(kind)} in version "${String(apiVersion)}" cannot be handled as a ${type.kind}: no kind "${String(kind)}" is registered for version "${String(apiVersion)}" in scheme`,
    );
  }
  const { value, unknownFields } = decode(type.kind, body ?? {}, type.shape);
  const strictness = info.query.get('fieldValidation') ?? 'Warn';
  const complaints = unknownFields.map((path) => `unknown field "${path}"`);
  if (complaints.length > 0 && strictness === 'Strict') {
    throw badRequest(
      `${type.kind} in version "v1" cannot be handled as a ${type.kind}: strict decoding error: ${complaints.join(', ')}`,
    );
  }
  if (complaints.length > 0 && strictness === 'Warn') {
    response.setHeader(
      'warning',
      complaints.map((text) => `299 - ${JSON.stringify(text)}`),
    );
  }
  const object = value as KubeObject;
  return {
    ...object,
    kind: type.kind,
    apiVersion: expected,
    metadata: object.metadata ?? ({} as KubeObject['metadata']),
  };
}

function check(type: ResourceType, object: KubeObject, old?: KubeObject): void {
  const errors = type.validate(object, old);
  if (errors.length > 0) throw invalidObject(type.kind, object.metadata.name, errors);
}

function namespaceOf({ info }: Call, given: string | undefined): string {
  if (given && given !== info.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  return info.namespace;
}

function checkNamespace({ cluster, info }: Call, type: ResourceType, name: string): void {
  const namespace = cluster.store.find(namespaces, undefined, info.namespace);
  if (!namespace) throw notFound('namespaces', info.namespace);
  if (namespace.metadata.deletionTimestamp) {
    const text = `unable to create new content in namespace ${info.namespace} because it is being terminated`;
    throw forbidden(type.plural, name, text);
  }
}

function checkServiceAccount({ cluster, info }: Call, pod: Pod): void {
  const name = pod.spec.serviceAccountName ?? 'default';
  if (cluster.store.find(serviceAccounts, info.namespace, name)) return;
  const text = `error looking up service account ${info.namespace}/${name}: serviceaccount "${name}" not found`;
  throw forbidden('pods', pod.metadata.name, text);
}

function isDryRun({ info }: Call): boolean {
  return info.query.get('dryRun') === 'All';
}
