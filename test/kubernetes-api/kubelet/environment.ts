import { isVariableName } from '../objects/names.ts';
import { configMaps, secrets } from '../objects/resources.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { Container, EnvFrom, EnvVar, KeyRef, Pod } from '../objects/types.ts';
import { Waiting } from './waiting.ts';

/** What a container's variables can come from. */
export interface EnvironmentSources {
  store: ObjectStore;
  pod: Pod;
  podIp: string;
}

/** The variables of a container in their order. Throws Waiting when what one refers to is not there. */
export function environmentOf(container: Container, sources: EnvironmentSources): Map<string, string> {
  const variables = new Map<string, string>();
  for (const from of container.envFrom ?? []) {
    for (const [key, value] of Object.entries(readAll(from, sources))) {
      const name = `${from.prefix ?? ''}${key}`;
      if (isVariableName(name)) variables.set(name, value);
    }
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(variable, sources);
    if (value !== undefined) variables.set(variable.name, expandReferences(value, variables));
  }
  return variables;
}

/** `$(NAME)` becomes the variable's value when there is one, `$$` becomes `$`. */
export function expandReferences(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (match, name: string | undefined) =>
    name === undefined ? '$' : (variables.get(name) ?? match),
  );
}

function valueOf({ value = '', valueFrom }: EnvVar, sources: EnvironmentSources): string | undefined {
  if (valueFrom?.secretKeyRef) return readKey(valueFrom.secretKeyRef, 'secret', sources);
  if (valueFrom?.configMapKeyRef) return readKey(valueFrom.configMapKeyRef, 'configmap', sources);
  if (valueFrom?.fieldRef) return readField(valueFrom.fieldRef.fieldPath, sources);
  return value;
}

function readKey(ref: KeyRef, kind: 'secret' | 'configmap', sources: EnvironmentSources): string | undefined {
  const data = dataOf(kind, ref.name, sources);
  const namespace = sources.pod.metadata.namespace ?? '';
  if (!data && ref.optional !== true)
    throw new Waiting('CreateContainerConfigError', `${kind} "${ref.name}" not found`);
  const value = data?.[ref.key];
  if (value === undefined && ref.optional !== true) {
    const title = kind === 'secret' ? 'Secret' : 'ConfigMap';
    throw new Waiting(
      'CreateContainerConfigError',
      `couldn't find key ${ref.key} in ${title} ${namespace}/${ref.name}`,
    );
  }
  return value;
}

function readAll({ secretRef, configMapRef }: EnvFrom, sources: EnvironmentSources): Record<string, string> {
  const kind = secretRef ? 'secret' : 'configmap';
  const ref = secretRef ?? configMapRef;
  const data = ref && dataOf(kind, ref.name, sources);
  if (ref && !data && ref.optional !== true) {
    throw new Waiting('CreateContainerConfigError', `${kind} "${ref.name}" not found`);
  }
  return data ?? {};
}

function dataOf(kind: 'secret' | 'configmap', name: string, { store, pod }: EnvironmentSources) {
  const type = kind === 'secret' ? secrets : configMaps;
  const object = store.find(type, pod.metadata.namespace, name);
  if (!object) return undefined;
  const data = Object.entries((object.data ?? {}) as Record<string, string>);
  return Object.fromEntries(
    data.map(([key, value]) => [key, kind === 'secret' ? Buffer.from(value, 'base64').toString('utf8') : value]),
  );
}

/** A field of the pod itself, as the downward API gives it. */
export function readField(path: string, { pod, podIp }: Pick<EnvironmentSources, 'pod' | 'podIp'>): string {
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed) return pod.metadata[keyed[1] as 'labels']?.[keyed[2] ?? ''] ?? '';
  const fields: Record<string, string | undefined> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'metadata.uid': pod.metadata.uid,
    'spec.nodeName': pod.spec.nodeName,
    'spec.serviceAccountName': pod.spec.serviceAccountName,
    'status.podIP': podIp,
    'status.hostIP': '127.0.0.1',
  };
  const value = fields[path];
  if (value === undefined) throw new Waiting('CreateContainerConfigError', `unsupported fieldPath: ${path}`);
  return value;
}
