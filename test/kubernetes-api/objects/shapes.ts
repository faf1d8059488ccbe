import { any, boolean, bytes, integer, list, map, object, string, type Shape } from './shape.ts';

/** The fields of the objects that the stand-in keeps. Pods are in `pod-shape.ts`. */

const time = string;

export const metadataShape = object({
  name: string,
  generateName: string,
  namespace: string,
  selfLink: string,
  uid: string,
  resourceVersion: string,
  generation: integer,
  creationTimestamp: time,
  deletionTimestamp: time,
  deletionGracePeriodSeconds: integer,
  labels: map(string),
  annotations: map(string),
  ownerReferences: list(
    object({
      apiVersion: string,
      kind: string,
      name: string,
      uid: string,
      controller: boolean,
      blockOwnerDeletion: boolean,
    }),
    'uid',
  ),
  finalizers: list(string),
  managedFields: any,
});

/** An object of the API with the fields that are its own. */
export function kubeObject(fields: Record<string, Shape>): Shape & { type: 'object' } {
  return object({ apiVersion: string, kind: string, metadata: metadataShape, ...fields });
}

export const secretShape = kubeObject({
  data: map(bytes),
  stringData: map(string),
  type: string,
  immutable: boolean,
});

export const configMapShape = kubeObject({ data: map(string), binaryData: map(bytes), immutable: boolean });

export const namespaceShape = kubeObject({ spec: any, status: any });

export const serviceAccountShape = kubeObject({
  secrets: any,
  imagePullSecrets: list(object({ name: string }), 'name'),
  automountServiceAccountToken: boolean,
});

export const eventShape = kubeObject({
  involvedObject: any,
  reason: string,
  message: string,
  source: any,
  firstTimestamp: time,
  lastTimestamp: time,
  count: integer,
  type: string,
  eventTime: time,
  series: any,
  action: string,
  related: any,
  reportingComponent: string,
  reportingInstance: string,
});

export const accessReviewShape = kubeObject({
  spec: object({
    resourceAttributes: object({
      namespace: string,
      verb: string,
      group: string,
      version: string,
      resource: string,
      subresource: string,
      name: string,
      fieldSelector: any,
      labelSelector: any,
    }),
    nonResourceAttributes: object({ path: string, verb: string }),
  }),
  status: any,
});
