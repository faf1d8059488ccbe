import { pods } from '../objects/resources.ts';
import type { Pod } from '../objects/types.ts';
import type { ContainerRecord } from '../kubelet/container-record.ts';
import type { Cluster } from './context.ts';
import type { ResourceRequest } from './request-info.ts';
import { badRequest } from './status.ts';

/** The container that an exec or a log is about. Throws 404 for the pod, 400 for the container. */
export function podContainer(
  { store, kubelet }: Cluster,
  { namespace, name, query }: ResourceRequest,
): { pod: Pod; container: string; record: ContainerRecord | undefined } {
  const pod = store.get(pods, namespace, name) as Pod;
  const known = pod.spec.containers.map((container) => container.name);
  const all = [...known, ...(pod.spec.initContainers ?? []).map((container) => container.name)];
  const asked = query.get('container') ?? '';
  if (asked === '' && known.length > 1) {
    throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${known.join(' ')}]`);
  }
  const container = asked === '' ? (known[0] ?? '') : asked;
  if (!all.includes(container)) throw badRequest(`container ${container} is not valid for pod ${name}`);
  return { pod, container, record: kubelet.container(pod, container) };
}
