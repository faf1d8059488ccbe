import type { IncomingMessage } from 'node:http';
import type { ResourceType } from '../objects/resources.ts';
import type { ContainerStatus, KubeObject, Pod } from '../objects/types.ts';

/** What `kubectl get` asks for: rows that are ready to be printed. */
export function wantsTable(request: IncomingMessage): boolean {
  return /as=Table;v=v1;g=meta\.k8s\.io/.test(request.headers.accept ?? '');
}

export function asTable(type: ResourceType, objects: readonly KubeObject[], metadata: unknown): unknown {
  const isPod = type.plural === 'pods';
  const columns = isPod ? ['Name', 'Ready', 'Status', 'Restarts', 'Age'] : ['Name', 'Age'];
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns.map((name) => ({
      name,
      type: 'string',
      format: name === 'Name' ? 'name' : '',
      description: '',
      priority: 0,
    })),
    rows: objects.map((object) => ({
      cells: isPod ? podCells(object as Pod) : [object.metadata.name, ageOf(object)],
      object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata },
    })),
  };
}

function podCells(pod: Pod): string[] {
  const statuses = pod.status.containerStatuses ?? [];
  const ready = statuses.filter((status) => status.ready).length;
  const restarts = statuses.reduce((sum, status) => sum + status.restartCount, 0);
  const reason = statuses.map(reasonOf).find((text) => text !== undefined);
  const status = pod.metadata.deletionTimestamp ? 'Terminating' : (reason ?? pod.status.reason ?? pod.status.phase);
  return [pod.metadata.name, `${ready}/${pod.spec.containers.length}`, status, String(restarts), ageOf(pod)];
}

function reasonOf({ state }: ContainerStatus): string | undefined {
  return state.waiting?.reason ?? state.terminated?.reason;
}

function ageOf({ metadata }: KubeObject): string {
  return `${Math.max(0, Math.round((Date.now() - Date.parse(metadata.creationTimestamp)) / 1000))}s`;
}
