import { defaultPod } from './default-pod.ts';
import type { FieldError } from './field-error.ts';
import { metadataProblems } from './names.ts';
import { podShape } from './pod-shape.ts';
import type { Shape } from './shape.ts';
import {
  accessReviewShape,
  configMapShape,
  eventShape,
  namespaceShape,
  secretShape,
  serviceAccountShape,
} from './shapes.ts';
import type { KubeObject, Pod } from './types.ts';
import { validatePod } from './validate-pod.ts';
import { defaultSecret, validateConfigMap, validateSecret } from './validate-secret.ts';

/** A kind of object that the stand-in knows. */
export interface ResourceType {
  /** Empty for the core group. */
  group: string;
  plural: string;
  singular: string;
  kind: string;
  shortNames: string[];
  namespaced: boolean;
  verbs: string[];
  shape: Shape & { type: 'object' };
  fillIn: (object: KubeObject) => void;
  validate: (object: KubeObject, old?: KubeObject) => FieldError[];
  /** Fields that a field selector may name, besides metadata.name and metadata.namespace. */
  selectable: string[];
}

const storedVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

function core(
  plural: string,
  kind: string,
  shape: ResourceType['shape'],
  rest: Partial<ResourceType> = {},
): ResourceType {
  return {
    group: '',
    plural,
    singular: kind.toLowerCase(),
    kind,
    shortNames: [],
    namespaced: true,
    verbs: storedVerbs,
    shape,
    fillIn: () => undefined,
    validate: (object) => metadataProblems(object, { name: 'subdomain' }),
    selectable: [],
    ...rest,
  };
}

export const pods = core('pods', 'Pod', podShape, {
  shortNames: ['po'],
  fillIn: (object) => defaultPod(object as Pod),
  validate: (object, old) => validatePod(object as Pod, old as Pod | undefined),
  selectable: ['spec.nodeName', 'spec.restartPolicy', 'spec.serviceAccountName', 'status.phase', 'status.podIP'],
});

export const secrets = core('secrets', 'Secret', secretShape, {
  fillIn: defaultSecret,
  validate: validateSecret,
  selectable: ['type'],
});

export const configMaps = core('configmaps', 'ConfigMap', configMapShape, {
  shortNames: ['cm'],
  validate: validateConfigMap,
});

export const namespaces = core('namespaces', 'Namespace', namespaceShape, {
  shortNames: ['ns'],
  namespaced: false,
  fillIn: (object) => {
    object.spec ??= { finalizers: ['kubernetes'] };
    object.status ??= { phase: 'Active' };
    object.metadata.labels = { 'kubernetes.io/metadata.name': object.metadata.name, ...object.metadata.labels };
  },
  validate: (object) => metadataProblems(object, { name: 'label' }),
  selectable: ['status.phase'],
});

export const serviceAccounts = core('serviceaccounts', 'ServiceAccount', serviceAccountShape, { shortNames: ['sa'] });

export const events = core('events', 'Event', eventShape, {
  shortNames: ['ev'],
  selectable: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
});

export const accessReviews = core('selfsubjectaccessreviews', 'SelfSubjectAccessReview', accessReviewShape, {
  group: 'authorization.k8s.io',
  namespaced: false,
  verbs: ['create'],
  validate: () => [],
});

export const resourceTypes: readonly ResourceType[] = [
  pods,
  secrets,
  configMaps,
  namespaces,
  serviceAccounts,
  events,
  accessReviews,
];

/** Parts of objects with a path of their own, and what can be done with them. */
export const subresources: readonly { name: string; kind: string; verbs: string[] }[] = [
  { name: 'pods/status', kind: 'Pod', verbs: ['get', 'patch', 'update'] },
  { name: 'pods/log', kind: 'Pod', verbs: ['get'] },
  { name: 'pods/exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
];
