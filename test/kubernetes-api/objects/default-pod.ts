import { quantityOf } from './quantity.ts';
import type { Container, Pod, PodSpec } from './types.ts';

/** Fills in what the API fills in. A pod that comes from a client has no status. */
export function defaultPod(pod: Pod): void {
  const spec = ((pod.spec as PodSpec | undefined) ?? { containers: [] }) as PodSpec & Record<string, unknown>;
  pod.spec = spec;
  spec.containers ??= [];
  spec.restartPolicy ??= 'Always';
  spec.terminationGracePeriodSeconds ??= 30;
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.serviceAccountName ??= 'default';
  spec.serviceAccount ??= spec.serviceAccountName;
  spec.schedulerName ??= 'default-scheduler';
  spec.securityContext ??= {};
  spec.enableServiceLinks ??= true;
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) defaultContainer(container);
  for (const volume of spec.volumes ?? []) {
    if (volume.secret) volume.secret.defaultMode ??= 0o644;
    if (volume.configMap) volume.configMap.defaultMode ??= 0o644;
  }
  pod.status = { phase: 'Pending', qosClass: qosClass(spec) };
}

function defaultContainer(container: Container): void {
  const latest = /(^|\/)[^:@/]+(:latest)?$/.test(container.image ?? '');
  container.imagePullPolicy ??= latest ? 'Always' : 'IfNotPresent';
  container.resources ??= {};
  if (container.resources.limits) {
    container.resources.requests = { ...container.resources.limits, ...container.resources.requests };
  }
  const rest = container as unknown as Record<string, unknown>;
  rest.terminationMessagePath ??= '/dev/termination-log';
  rest.terminationMessagePolicy ??= 'File';
}

/** Which pods the node kills first when memory runs out. */
function qosClass(spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const resources = spec.containers.map((container) => container.resources ?? {});
  if (resources.every(({ limits = {}, requests = {} }) => Object.keys({ ...limits, ...requests }).length === 0)) {
    return 'BestEffort';
  }
  const guaranteed = resources.every(({ limits = {}, requests = {} }) =>
    ['cpu', 'memory'].every((name) => {
      const limit = limits[name];
      return limit !== undefined && quantityOf(requests[name] ?? limit) === quantityOf(limit);
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
