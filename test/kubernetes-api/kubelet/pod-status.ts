import { apiTime, type Condition, type ContainerStatus, type Pod, type PodStatus } from '../objects/types.ts';

/** What a pod's status says, made from what is known of its containers. */
export interface PodFacts {
  startTime: string;
  podIp: string | undefined;
  init: readonly ContainerStatus[];
  containers: readonly ContainerStatus[];
  /** Why the whole pod was ended, such as DeadlineExceeded. */
  failure: { reason: string; message: string } | undefined;
}

export function podStatus(pod: Pod, facts: PodFacts): PodStatus {
  const initialized = facts.init.every(({ state }) => state.terminated?.exitCode === 0);
  const phase = facts.failure ? 'Failed' : phaseOf(pod, facts, initialized);
  const ended = phase === 'Succeeded' || phase === 'Failed';
  const notReady = facts.containers.filter(({ ready }) => !ready).map(({ name }) => name);
  const unready = { reason: 'ContainersNotReady', message: `containers with unready status: [${notReady.join(' ')}]` };
  const why = notReady.length === 0 ? undefined : phase === 'Succeeded' ? { reason: 'PodCompleted' } : unready;
  const incomplete = facts.init.filter(({ state }) => state.terminated?.exitCode !== 0).map(({ name }) => name);
  const conditions = [
    condition('Initialized', initialized, {
      reason: 'ContainersNotInitialized',
      message: `containers with incomplete status: [${incomplete.join(' ')}]`,
    }),
    condition('Ready', why === undefined && !ended, why ?? {}),
    condition('ContainersReady', why === undefined && !ended, why ?? {}),
    condition('PodScheduled', true),
  ];
  return {
    phase,
    ...facts.failure,
    conditions: conditions.map((next) => keepTime(next, pod.status.conditions)),
    hostIP: '127.0.0.1',
    ...(facts.podIp !== undefined && facts.podIp !== '' && { podIP: facts.podIp, podIPs: [{ ip: facts.podIp }] }),
    startTime: facts.startTime,
    ...(facts.init.length > 0 && { initContainerStatuses: [...facts.init] }),
    // In the order of their names, as the kubelet gives them.
    containerStatuses: facts.containers.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    ...(pod.status.qosClass !== undefined && { qosClass: pod.status.qosClass }),
  };
}

function phaseOf(pod: Pod, { init, containers }: PodFacts, initialized: boolean): PodStatus['phase'] {
  const never = pod.spec.restartPolicy === 'Never';
  if (!initialized) {
    const failed = init.some(({ state }) => (state.terminated?.exitCode ?? 0) !== 0);
    return failed && never ? 'Failed' : 'Pending';
  }
  if (containers.some(({ state, lastState }) => state.waiting && !lastState.terminated)) return 'Pending';
  const ends = containers.map(({ state }) => state.terminated);
  if (ends.some((end) => end === undefined) || pod.spec.restartPolicy === 'Always') return 'Running';
  if (ends.every((end) => end?.exitCode === 0)) return 'Succeeded';
  return never ? 'Failed' : 'Running';
}

export function condition(type: string, isTrue: boolean, why: { reason?: string; message?: string } = {}): Condition {
  return {
    type,
    status: isTrue ? 'True' : 'False',
    ...(!isTrue && why),
    lastProbeTime: null,
    lastTransitionTime: apiTime(),
  };
}

function keepTime(next: Condition, before: readonly Condition[] = []): Condition {
  const old = before.find(({ type }) => type === next.type);
  return old?.status === next.status ? { ...next, lastTransitionTime: old.lastTransitionTime } : next;
}
