import { RemoteError, UserError } from '../../lib/index.ts';
import type { JobRequest } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { KubernetesClient, ObjectMeta, Pod, Secret } from '../kubernetes/index.ts';
import { buildPod, type BuiltPod } from './build-pod.ts';
import { noDecoration, readDecoration } from './decoration.ts';
import { environmentSecrets, type EnvironmentSecrets } from './environment-secrets.ts';
import type { Leftover } from './leftovers.ts';
import { jobNames, type JobNames } from './names.ts';
import { type AgentProcess, isSameProcess, ownedMeta, ownerReference, processOf } from './ownership.ts';
import { dockerConfigJson } from './pull-secret.ts';
import type { KubernetesSettings } from './settings.ts';
import { reasonOf } from './wait-for-pod.ts';

export interface JobResourcesOptions {
  client: KubernetesClient;
  settings: KubernetesSettings;
  owner: AgentProcess;
  request: Pick<JobRequest, 'jobId' | 'compose' | 'variables' | 'files'>;
  hostVariables: readonly { name: string; value: string }[];
  /** Of the agent, for the AWS CLI. */
  env: Readonly<Record<string, string>>;
  logger: Pick<Logger, 'info'>;
  signal: AbortSignal;
}

export interface CreatedResources {
  pod: { name: string; uid: string };
  /** See `EnvironmentSecrets`. */
  parts: EnvironmentSecrets['parts'];
  remarks: readonly string[];
}

/** What is to be made, but for its names. */
interface Plan {
  environment: EnvironmentSecrets;
  dockerConfig: string | undefined;
  build: (names: JobNames) => BuiltPod;
}

/** From TERM to KILL when the pod is removed, unless its decoration says otherwise: its first process does not hear TERM. Seconds. */
const usualGraceSeconds = 1;
const maxAttempts = 4;

const failures = {
  decoration: 'Failed to load pod spec',
  environment: 'Failed to create environment secret',
  pull: 'Failed to create temporary image pull secret',
  build: 'Failed to create pod: error building pod spec',
  pod: 'Failed to create pod',
} as const;

/** What a job has on the cluster: a secret with variables and files (or several), one for pulling images, and the pod. */
export class JobResources {
  readonly #options: JobResourcesOptions;
  #made: Leftover[] = [];

  constructor(options: JobResourcesOptions) {
    this.#options = options;
  }

  /** All that may exist, at any moment, and is to be removed: the pod first. */
  get made(): readonly Leftover[] {
    return this.#made.toReversed();
  }

  /** Throws UserError with the original's words for what could not be made; the signal ends it between two steps. */
  async create(): Promise<CreatedResources> {
    const plan = await this.#plan();
    for (let attempt = 1; ; attempt += 1) {
      const names = jobNames(this.#options.request.jobId, attempt > 1);
      const built = await step(failures.build, this.#options.signal, () => plan.build(names));
      try {
        const uid = await this.#make(names, plan, built);
        return { pod: { name: names.pod, uid }, parts: plan.environment.parts, remarks: built.remarks };
      } catch (error: unknown) {
        // A name is taken, perhaps by what an agent has left that nobody can ask any more: then others.
        const isTaken = error instanceof UserError && error.cause instanceof RemoteError && error.cause.status === 409;
        if (!isTaken || attempt === maxAttempts) throw error;
        await this.#undo();
      }
    }
  }

  async #plan(): Promise<Plan> {
    const { client, settings, request, hostVariables, env, signal } = this.#options;
    const { imagePullCredentials, containers } = request.compose;
    const decoration = await step(failures.decoration, signal, () =>
      settings.podSpec === '' ? noDecoration : readDecoration(client, settings.podSpec, signal),
    );
    const environment = await step(failures.environment, signal, () =>
      environmentSecrets(request.variables, hostVariables, request.files),
    );
    const build = (names: JobNames): BuiltPod =>
      buildPod({
        containers,
        defaultImage: settings.defaultImage,
        allowedImages: settings.allowedImages,
        decoration,
        names,
        environmentSecrets: environment.secrets.length,
        hasPullSecret: imagePullCredentials.length > 0,
      });
    // Nothing is made for a pod that cannot be.
    await step(failures.build, signal, () => build(jobNames(request.jobId)));
    const dockerConfig = await step(failures.pull, signal, () =>
      imagePullCredentials.length === 0 ? undefined : dockerConfigJson(imagePullCredentials, { env, signal }),
    );
    return { environment, dockerConfig, build };
  }

  /** Returns the uid of the pod. */
  async #make(names: JobNames, { environment, dockerConfig }: Plan, { spec }: BuiltPod): Promise<string> {
    const { client, signal } = this.#options;
    const secrets: { failure: string; secret: Secret }[] = [...environment.secrets.entries()].map(([index, data]) => ({
      failure: failures.environment,
      secret: this.#secret(names.environmentSecret(index), 'Opaque', data),
    }));
    if (dockerConfig !== undefined) {
      const data = new Map([['.dockerconfigjson', Buffer.from(dockerConfig)]]);
      secrets.push({
        failure: failures.pull,
        secret: this.#secret(names.pullSecret, 'kubernetes.io/dockerconfigjson', data),
      });
    }
    for (const { failure, secret } of secrets) {
      await this.#createOne(failure, { kind: 'secret', name: secret.metadata.name, uid: undefined }, () =>
        client.createSecret(secret, signal),
      );
    }
    const graceSeconds = spec.terminationGracePeriodSeconds === undefined ? usualGraceSeconds : undefined;
    const pod = { metadata: this.#meta(names.pod), spec };
    const uid = await this.#createOne(
      failures.pod,
      { kind: 'pod', name: names.pod, uid: undefined, graceSeconds },
      () => client.createPod(pod, signal),
    );
    await this.#giveToPod(
      names.pod,
      uid,
      secrets.map(({ secret }) => secret.metadata.name),
    );
    return uid;
  }

  async #createOne(failure: string, object: Leftover, create: () => Promise<Pod | Secret>): Promise<string> {
    this.#made.push(object);
    try {
      object.uid = await step(failure, this.#options.signal, async () => this.#uidOfOurs(await create()));
    } catch (error: unknown) {
      const cause = error instanceof UserError ? error.cause : undefined;
      // Refused, so it is not there, or somebody else's.
      if (cause instanceof RemoteError && cause.status !== undefined && cause.status < 500) this.#made.pop();
      throw error;
    }
    return object.uid ?? '';
  }

  /** Throws RemoteError (409) when an answer was lost and what is there by that name turns out to be somebody else's. */
  #uidOfOurs({ metadata }: Pod | Secret): string | undefined {
    const { owner } = this.#options;
    if (isSameProcess(processOf(metadata), owner)) return metadata.uid;
    throw new RemoteError(`there is another ${metadata.name}`, {
      kind: 'rejected',
      endpoint: `create ${metadata.name}`,
      status: 409,
      retryable: false,
    });
  }

  /** So that they go when it goes, whoever removes it. An agent that may not change secrets removes them itself, no more. */
  async #giveToPod(name: string, uid: string, secrets: readonly string[]): Promise<void> {
    const { client, owner, logger, signal } = this.#options;
    const ownerReferences = [ownerReference({ name, uid }), ...(owner.pod ? [ownerReference(owner.pod)] : [])];
    try {
      for (const secret of secrets) await client.patchSecret(secret, { metadata: { ownerReferences } }, signal);
    } catch (error: unknown) {
      signal.throwIfAborted();
      logger.info('The secrets of the job do not belong to its pod', { error: reasonOf(error) });
    }
  }

  async #undo(): Promise<void> {
    const { client, signal } = this.#options;
    for (const { kind, name, uid } of this.made) {
      await (kind === 'secret' ? client.deleteSecret(name, { uid, signal }) : client.deletePod(name, { uid, signal }));
    }
    this.#made = [];
  }

  #secret(name: string, type: string, data: ReadonlyMap<string, Buffer>): Secret {
    const encoded = Object.fromEntries([...data].map(([key, bytes]) => [key, bytes.toString('base64')]));
    return { metadata: this.#meta(name), type, immutable: true, data: encoded };
  }

  /** The agent's own pod is the owner: what is left goes when that is removed. */
  #meta(name: string): ObjectMeta {
    const { client, owner, request, settings } = this.#options;
    return {
      name,
      namespace: client.namespace,
      ...ownedMeta(owner, request.jobId, settings.labels),
      ...(owner.pod && { ownerReferences: [ownerReference(owner.pod)] }),
    };
  }
}

async function step<Value>(failure: string, signal: AbortSignal, work: () => Value | Promise<Value>): Promise<Value> {
  signal.throwIfAborted();
  try {
    return await work();
  } catch (error: unknown) {
    signal.throwIfAborted();
    throw new UserError(`${failure}: ${reasonOf(error)}`, { cause: error });
  }
}
