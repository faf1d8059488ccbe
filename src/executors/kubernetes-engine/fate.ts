import type { ContainerRole } from '../containers/engine.ts';
import type { ContainerStatus, Pod } from '../kubernetes/index.ts';

/** Why nothing runs in a container of a pod any more; undefined while it runs, or is still to start. */
export function fateOf(pod: Pod | undefined, role: ContainerRole): string | undefined {
  if (!pod) return 'the pod was deleted by somebody else, or with its node';
  const { status = {} } = pod;
  const container = status.containerStatuses?.find(({ name }) => name === role);
  if (status.reason === 'Evicted') return `the pod was evicted: ${text(status.message)}`;
  if (status.reason === 'Preempting' || status.reason === 'Preempted')
    return `the pod had to make room for another one: ${text(status.message)}`;
  if (status.reason === 'NodeLost') return 'the node of the pod does not answer any more';
  const ended = container?.state?.terminated;
  const limit = memoryLimitOf(pod, role);
  if (ended?.reason === 'OOMKilled')
    return `the ${role} container ran out of memory (OOMKilled${limit === undefined ? '' : `, limit ${limit}`})`;
  const parting = partingOf(pod);
  if (parting !== undefined && (ended || status.phase !== 'Running')) return parting;
  if (status.reason !== undefined) return `the pod has failed: ${status.reason}: ${text(status.message)}`;
  if (ended) return `the ${role} container has ended: ${endOf(ended)}`;
  return status.phase === 'Failed' || status.phase === 'Succeeded' ? 'the pod has ended' : undefined;
}

/** Both containers run, and are to go on. */
export function isRunning({ metadata, status = {} }: Pod): boolean {
  const containers = status.containerStatuses ?? [];
  return (
    metadata.deletionTimestamp === undefined && containers.length > 0 && containers.every(({ state }) => state?.running)
  );
}

function endOf({
  exitCode,
  reason,
  message,
}: NonNullable<NonNullable<ContainerStatus['state']>['terminated']>): string {
  const what = [reason, `exit code ${exitCode}`].filter((part) => part !== undefined && part !== '').join(', ');
  return message === undefined || message === '' ? what : `${what}: ${message.trim()}`;
}

/** Why a pod is about to end, whatever still runs in it. */
export function partingOf({ metadata, status = {} }: Pod): string | undefined {
  const disruption = status.conditions?.find(({ type, status: is }) => type === 'DisruptionTarget' && is === 'True');
  if (disruption) return `the pod was ended by the cluster: ${text(disruption.message ?? disruption.reason)}`;
  return metadata.deletionTimestamp === undefined
    ? undefined
    : 'the pod was deleted by somebody else, or its node is drained';
}

/** Limits of task pods come from a LimitRange of the namespace. */
export function memoryLimitOf({ spec }: Pod, role: ContainerRole): string | undefined {
  return spec.containers.find(({ name }) => name === role)?.resources?.limits?.['memory'];
}

function text(message: string | undefined): string {
  return message === undefined || message === '' ? 'no reason was given' : message.trim();
}
