import type { Clock } from '../../lib/index.ts';
import { KubernetesClient } from './client.ts';
import { findConnection, type FindConnectionOptions } from './find-connection.ts';

export { KubernetesClient, type DeleteOptions } from './client.ts';
export type { KubernetesConnection } from './connection.ts';
export type { ExecRequest, ExecStream } from './exec.ts';
export type { ExecEnd } from './exec-status.ts';
export type {
  ConfigMap,
  ContainerSpec,
  ContainerState,
  ContainerStatus,
  ObjectEvent,
  ObjectMeta,
  OwnerReference,
  Pod,
  PodSpec,
  PodStatus,
  Secret,
} from './types.ts';

/** Makes a client for the Kubernetes that `findConnection` finds; nothing is asked of it yet. Throws UserError. */
export async function openKubernetes(options: FindConnectionOptions & { clock: Clock }): Promise<KubernetesClient> {
  return new KubernetesClient(await findConnection(options), options.clock);
}
