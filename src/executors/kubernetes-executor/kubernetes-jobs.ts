import type { Clock } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { type KubernetesClient, openKubernetes } from '../kubernetes/index.ts';
import { KubernetesExecutor, type KubernetesExecutorOptions } from '../kubernetes-executor.ts';
import { Leftovers } from './leftovers.ts';
import { type AgentProcess, ownPod, thisProcess } from './ownership.ts';
import type { KubernetesSettings } from './settings.ts';
import { sweepOrphans } from './sweep.ts';
import { reasonOf } from './wait-for-pod.ts';

export interface OpenKubernetesJobsOptions {
  settings: KubernetesSettings;
  /** `KUBERNETES_NAMESPACE`, `KUBECONFIG`, and what finds the AWS CLI. */
  env: Readonly<Record<string, string>>;
  agentName: string;
  clock: Clock;
  logger: Logger;
}

/** What an agent has to run jobs in pods. */
export interface KubernetesJobs {
  /** For one job. */
  createExecutor(
    job: Omit<KubernetesExecutorOptions, 'client' | 'settings' | 'owner' | 'leftovers' | 'env' | 'clock'>,
  ): KubernetesExecutor;
  /** Removes what dead agents have left. Never rejects. */
  sweep(): Promise<void>;
  /** Gives what could not be removed a last try. */
  close(): Promise<void>;
}

/** How long the look at an API server may take while the agent starts, milliseconds. */
const lookMs = 20_000;

/** Finds the cluster. Throws UserError when none is configured; one that does not answer is a matter of the jobs. */
export async function openKubernetesJobs(options: OpenKubernetesJobsOptions): Promise<KubernetesJobs> {
  const { settings, env, agentName, clock, logger } = options;
  const client = await openKubernetes({ env, namespace: env['KUBERNETES_NAMESPACE'] || 'default', clock });
  const { server, source } = client.connection;
  logger.info('Jobs run in pods', { server, source, namespace: client.namespace });
  const owner = await findOwner(client, agentName, logger);
  const leftovers = new Leftovers({ client, clock, logger });
  return {
    createExecutor: (job) => new KubernetesExecutor({ ...job, client, settings, owner, leftovers, env, clock }),
    sweep: async () => {
      try {
        await sweepOrphans({ client, self: owner, logger, signal: AbortSignal.timeout(lookMs) });
      } catch {
        logger.warn('The cluster was not asked to the end what earlier agents have left: it answers too slowly');
      }
    },
    close: () => leftovers.close(),
  };
}

async function findOwner(client: KubernetesClient, agentName: string, logger: Logger): Promise<AgentProcess> {
  try {
    return thisProcess(await ownPod(client, agentName, AbortSignal.timeout(lookMs)));
  } catch (error: unknown) {
    logger.warn('The pod of the agent cannot be looked at', { error: reasonOf(error) });
    return thisProcess();
  }
}
