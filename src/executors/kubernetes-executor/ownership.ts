import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { processStartTime } from '../../lib/index.ts';
import type { KubernetesClient, ObjectMeta, OwnerReference, Pod } from '../kubernetes/index.ts';

/** A label of all that agents make, with the hash of their host: what an agent looks for at its start. */
export const hostLabel = 'agent.semaphore/host';
/** An annotation of all that agents make: which process has made it, as JSON. */
const processAnnotation = 'agent.semaphore/process';
const jobAnnotation = 'agent.semaphore/job-id';

/** Which process of an agent something belongs to, so that nobody takes it from one that lives. */
export interface AgentProcess {
  /** Hash of what names the machine or container. */
  host: string;
  /** Of this start of the machine; "" where the system does not tell. */
  boot: string;
  /** Its number space, because containers may share a host name. */
  pids: string;
  pid: number;
  /** Start time of the process, as `processStartTime` gives it. */
  started: string;
  /** The agent's own pod, when it runs in one that it may look at. */
  pod?: { name: string; uid: string };
}

/** This process. */
export function thisProcess(pod?: AgentProcess['pod']): AgentProcess {
  const boot = readText('/proc/sys/kernel/random/boot_id');
  const machine = readText('/etc/machine-id');
  // A name that every second machine has tells nothing.
  const unlike = machine === '' && hostname().startsWith('localhost') ? boot : machine;
  return {
    host: createHash('sha256').update(`${hostname()}\n${unlike}`).digest('hex').slice(0, 20),
    boot,
    pids: readLink('/proc/self/ns/pid'),
    pid: process.pid,
    started: processStartTime(process.pid) ?? '',
    ...(pod && { pod }),
  };
}

/** The pod that this program runs in: named as the host is, or as the agent is when a controller names it so (spec CI 6.3). */
export async function ownPod(
  client: Pick<KubernetesClient, 'connection' | 'namespace' | 'getPod'>,
  agentName: string,
  signal?: AbortSignal,
): Promise<AgentProcess['pod']> {
  const { inCluster, config } = client.connection;
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace?.trim();
  if (!inCluster || namespace !== client.namespace) return undefined;
  for (const name of new Set([hostname(), agentName])) {
    if (!/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(name)) continue;
    const uid = (await client.getPod(name, signal))?.metadata.uid;
    if (uid !== undefined) return { name, uid };
  }
  return undefined;
}

/** What every object of a job carries. With the agent's pod as owner, Kubernetes removes it when that is removed. */
export function ownedMeta(
  owner: AgentProcess,
  jobId: string,
  labels: Readonly<Record<string, string>>,
): Pick<ObjectMeta, 'labels' | 'annotations'> {
  return {
    labels: { ...labels, [hostLabel]: owner.host },
    annotations: { [processAnnotation]: JSON.stringify(owner), [jobAnnotation]: jobId },
  };
}

export function ownerReference({ name, uid }: { name: string; uid: string }): OwnerReference {
  return { apiVersion: 'v1', kind: 'Pod', name, uid };
}

export function isSameProcess(a: AgentProcess | undefined, b: AgentProcess): boolean {
  const keys = ['host', 'boot', 'pids', 'pid', 'started'] as const;
  return a !== undefined && keys.every((key) => a[key] === b[key]);
}

/** The process that has made an object; undefined for what no agent has made. */
export function processOf({ annotations = {} }: ObjectMeta): AgentProcess | undefined {
  try {
    const value: unknown = JSON.parse(annotations[processAnnotation] ?? '');
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only agents write it; its parts are compared, no more
    return typeof value === 'object' && value !== null ? (value as AgentProcess) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether the process that an object belongs to has surely ended. `lookUp` reads the pod of an agent; what happens on another machine outside
 * of the cluster cannot be known from here.
 */
export async function hasEnded(
  owner: AgentProcess,
  {
    self,
    createdAt,
    lookUp,
  }: { self: AgentProcess; createdAt: string; lookUp: (name: string) => Promise<Pod | undefined> },
): Promise<boolean> {
  if (owner.pod) {
    const pod = await lookUp(owner.pod.name);
    return pod?.metadata.uid !== owner.pod.uid || podHasEnded(pod, createdAt);
  }
  if (owner.host !== self.host) return false;
  // Started anew, the machine or the container.
  if (owner.boot !== self.boot || owner.pids !== self.pids) return true;
  return !isRunning(owner);
}

/** Also true when all its containers have been started again since. */
function podHasEnded({ status = {} }: Pod, createdAt: string): boolean {
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return true;
  const containers = status.containerStatuses ?? [];
  return (
    containers.length > 0 &&
    containers.every(({ state }) => {
      const startedAt = state?.running?.startedAt;
      return startedAt === undefined || Date.parse(startedAt) > Date.parse(createdAt);
    })
  );
}

function isRunning({ pid, started }: AgentProcess): boolean {
  if (started !== '') return processStartTime(pid) === started;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
