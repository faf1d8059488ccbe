import { messageOf, RemoteError } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { KubernetesClient, ObjectMeta } from '../kubernetes/index.ts';
import { type AgentProcess, hasEnded, hostLabel, processOf } from './ownership.ts';

export interface SweepOptions {
  client: KubernetesClient;
  self: AgentProcess;
  logger: Pick<Logger, 'info' | 'warn'>;
  signal: AbortSignal;
}

/**
 * Removes the pods and secrets that agents which live no more have left in the namespace. Never rejects but with the signal's reason: an agent
 * that may not list them, or cannot, runs jobs all the same.
 */
export async function sweepOrphans(options: SweepOptions): Promise<void> {
  const { client, signal } = options;
  const kinds = [
    { kind: 'pod', list: () => client.listPods(hostLabel, signal), remove: removePod },
    { kind: 'secret', list: () => client.listSecrets(hostLabel, signal), remove: removeSecret },
  ] as const;
  for (const { kind, list, remove } of kinds) {
    try {
      for (const { metadata } of await list()) await sweepOne(kind, metadata, remove, options);
    } catch (error: unknown) {
      signal.throwIfAborted();
      const hint = error instanceof RemoteError && error.hint !== undefined ? { hint: error.hint } : {};
      options.logger.warn('What earlier agents may have left of jobs cannot be removed', {
        kind,
        error: messageOf(error),
        ...hint,
      });
    }
  }

  function removePod({ name, uid }: ObjectMeta): Promise<boolean> {
    return client.deletePod(name, { graceSeconds: 1, uid, signal });
  }

  function removeSecret({ name, uid }: ObjectMeta): Promise<boolean> {
    return client.deleteSecret(name, { uid, signal });
  }
}

async function sweepOne(
  kind: string,
  metadata: ObjectMeta,
  remove: (metadata: ObjectMeta) => Promise<boolean>,
  { client, self, logger, signal }: SweepOptions,
): Promise<void> {
  const owner = processOf(metadata);
  if (!owner || metadata.deletionTimestamp !== undefined) return;
  const isOrphan = await hasEnded(owner, {
    self,
    createdAt: metadata.creationTimestamp ?? '',
    lookUp: (name) => client.getPod(name, signal),
  });
  if (isOrphan && (await remove(metadata))) {
    logger.info('Removed what an earlier agent has left of a job', { kind, name: metadata.name });
  }
}
