import type { KubernetesExecutorConfig } from '../../config/index.ts';
import { messageOf, RemoteError, systemClock, UserError } from '../../lib/index.ts';
import { openKubernetes, type KubernetesClient } from '../kubernetes/index.ts';

/** The runner's own environment. */
export type HostEnvironment = Readonly<Record<string, string | undefined>>;

/** The client for the cluster of the configuration, made when it is first needed. A failure is not kept. */
export function lazyClient(
  { kubeconfig, namespace }: KubernetesExecutorConfig,
  env: HostEnvironment,
): () => Promise<KubernetesClient> {
  let opening: Promise<KubernetesClient> | undefined;
  return async () => {
    opening ??= openKubernetes({ env, kubeconfig, namespace, clock: systemClock });
    try {
      return await opening;
    } catch (error: unknown) {
      opening = undefined;
      throw error;
    }
  };
}

/** An error of the API as one for people. `what` completes "Cannot …". */
export function failure(what: string, error: unknown): UserError {
  const hint = hintOf(error);
  return new UserError(`Cannot ${what}: ${messageOf(error)}`, { cause: error, ...(hint !== undefined && { hint }) });
}

export function hintOf(error: unknown): string | undefined {
  return error instanceof UserError || error instanceof RemoteError ? error.hint : undefined;
}
