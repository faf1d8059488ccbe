import { parseKubernetesYaml } from '../../config/index.ts';
import { messageOf, UserError } from '../../lib/index.ts';
import type { ContainerSpec, KubernetesClient, PodSpec } from '../kubernetes/index.ts';

/** What the agent's owner wants of every pod, from a ConfigMap (spec CI 6.3). Fields that Kubernetes knows and we do not are kept. */
export interface Decoration {
  pod: Partial<PodSpec>;
  main: Partial<ContainerSpec>;
  sidecars: Partial<ContainerSpec>;
}

export const noDecoration: Decoration = { pod: {}, main: {}, sidecars: {} };

/** Reads the ConfigMap `name`: its keys `pod`, `mainContainer` and `sidecarContainers`, each YAML. Throws UserError or RemoteError. */
export async function readDecoration(
  client: Pick<KubernetesClient, 'getConfigMap' | 'namespace'>,
  name: string,
  signal: AbortSignal,
): Promise<Decoration> {
  const configMap = await client.getConfigMap(name, signal);
  if (!configMap) {
    throw new UserError(`there is no ConfigMap "${name}" in namespace ${client.namespace}`, {
      hint: 'kubernetes-pod-spec names it.',
    });
  }
  const { data = {} } = configMap;
  return {
    pod: await readPart<PodSpec>(data, 'pod'),
    main: await readPart<ContainerSpec>(data, 'mainContainer'),
    sidecars: await readPart<ContainerSpec>(data, 'sidecarContainers'),
  };
}

async function readPart<Spec>(data: Readonly<Record<string, string>>, key: string): Promise<Partial<Spec>> {
  const value = await parsePart(data[key] ?? '', key);
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new UserError(`key "${key}" of the ConfigMap is no mapping of fields to values`);
  }
  // The API validates the rest, with its own words.
  return value;
}

async function parsePart(text: string, key: string): Promise<unknown> {
  try {
    return await parseKubernetesYaml(text);
  } catch (error: unknown) {
    throw new UserError(`key "${key}" of the ConfigMap is not valid YAML: ${messageOf(error)}`, { cause: error });
  }
}
