import type { ContainerStatus, Pod, PodStatus } from '../kubernetes/index.ts';

/** How far a pod has come to where a shell can be started in it (spec CI 6.3). */
export type Readiness =
  | { kind: 'ready' }
  | { kind: 'waiting'; reason: string }
  /** It will never come there. */
  | { kind: 'hopeless'; reason: string };

const pullFailures = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
]);
const startFailures = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'StartError',
]);

/** In this order: has it ended, what does each container wait for, is it still to be placed on a node. */
export function readinessOf({ status = {} }: Pod): Readiness {
  if (status.phase === 'Failed' || status.phase === 'Succeeded') {
    return { kind: 'hopeless', reason: `the pod has ended (${status.phase})${endOf(status)}` };
  }
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const readiness = containers.map(containerReadiness);
  const hopeless = readiness.find(({ kind }) => kind === 'hopeless');
  if (hopeless) return hopeless;
  const mains = (status.containerStatuses ?? []).map(containerReadiness);
  const waiting = mains.find(({ kind }) => kind === 'waiting');
  if (waiting) return waiting;
  if (mains.length > 0 && status.phase === 'Running') return { kind: 'ready' };
  return { kind: 'waiting', reason: `the pod is pending${placeOf(status)}` };
}

function containerReadiness({ name, ready, state = {} }: ContainerStatus): Readiness {
  const { waiting, terminated } = state;
  if (waiting?.reason !== undefined && pullFailures.has(waiting.reason)) {
    return { kind: 'hopeless', reason: `the image of container '${name}' cannot be pulled: ${told(waiting)}` };
  }
  if (waiting?.reason !== undefined && startFailures.has(waiting.reason)) {
    return { kind: 'hopeless', reason: `container '${name}' cannot be started: ${told(waiting)}` };
  }
  if (terminated && terminated.exitCode !== 0) {
    return { kind: 'hopeless', reason: `container '${name}' has ended: ${ended(terminated)}` };
  }
  if (terminated || ready) return { kind: 'ready' };
  return { kind: 'waiting', reason: `container '${name}' is not ready${waiting ? `: ${told(waiting)}` : ''}` };
}

/**
 * Why a shell in the main container was lost: what has become of the pod. Undefined when nothing has (yet).
 */
export function fateOf(pod: Pod, mainContainer: string): string | undefined {
  const { metadata, status = {} } = pod;
  if (status.reason === 'Evicted')
    return `The pod of the job was evicted: ${sentence(status.message ?? 'no reason given')}`;
  if (status.reason === 'NodeLost') return 'The node that the pod of the job ran on does not answer any more.';
  const terminated = status.containerStatuses?.find(({ name }) => name === mainContainer)?.state?.terminated;
  if (terminated?.reason === 'OOMKilled') {
    const limit = pod.spec.containers.find(({ name }) => name === mainContainer)?.resources?.limits?.['memory'];
    return `The main container of the job has run out of memory and was ended (OOMKilled${limit === undefined ? '' : `, its limit is ${limit}`}).`;
  }
  if (metadata.deletionTimestamp !== undefined) {
    return 'The pod of the job is being deleted: by somebody, or because its node is drained.';
  }
  if (status.reason !== undefined) return `The pod of the job has failed: ${sentence(told(status))}`;
  if (terminated) return `The main container of the job has ended: ${ended(terminated)}.`;
  return status.phase === 'Failed' || status.phase === 'Succeeded' ? 'The pod of the job has ended.' : undefined;
}

function endOf(status: PodStatus): string {
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const parts = containers.flatMap(({ name, state }) =>
    state?.terminated ? [`container '${name}': ${ended(state.terminated)}`] : [],
  );
  const own = status.reason === undefined ? [] : [told(status)];
  const all = [...own, ...parts];
  return all.length === 0 ? '' : `: ${all.join('; ')}`;
}

function placeOf({ conditions = [] }: PodStatus): string {
  const unplaced = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  return unplaced ? `: ${told(unplaced)}` : '';
}

function ended({ exitCode, reason, message }: { exitCode: number; reason?: string; message?: string }): string {
  const why = [reason, `exit code ${exitCode}`].filter((part) => part !== undefined && part !== '').join(', ');
  const said = message === undefined || message === '' ? why : `${why}: ${message.trim()}`;
  return /"bash".*executable file not found/s.test(said) ? `${said} (the image must have bash)` : said;
}

function told({ reason = '', message = '' }: { reason?: string; message?: string }): string {
  if (reason === '') return message;
  return message === '' ? reason : `${reason}: ${message}`;
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`;
}
