import { RemoteError, UserError } from '../../lib/index.ts';
import type { JobRequest } from '../../protocol/ci/index.ts';
import type { KubernetesClient, OwnerReference, Pod } from '../kubernetes/index.ts';
import { buildPod } from './build-pod.ts';
import { noDecoration, readDecoration } from './decoration.ts';
import { environmentSecrets, type EnvironmentSecrets } from './environment-secrets.ts';
import type { Leftover } from './leftovers.ts';
import { jobNames, type JobNames } from './names.ts';
import { type AgentProcess, ownedMeta, ownerReference, processOf } from './ownership.ts';
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
  signal: AbortSignal;
}

export interface CreatedResources {
  pod: { name: string; uid: string };
  /** See `EnvironmentSecrets`. */
  parts: EnvironmentSecrets['parts'];
  remarks: readonly string[];
}

/** From TERM to KILL when the pod is removed, unless its decoration says otherwise: its first process does not hear TERM. Seconds. */
const usualGraceSeconds = 1;

/**
 * What a job has on the cluster: a pod, a secret with variables and files (or several), one for pulling images. The pod is made first and owns
 * the secrets, so that they go when it goes, whoever removes it; until they are there, Kubernetes has it wait. `made` names all
 * that may exist, at any moment.
 */
export class JobResources {
  readonly #options: JobResourcesOptions;
  readonly #made: Leftover[] = [];

  constructor(options: JobResourcesOptions) {
    this.#options = options;
  }

  /** What is to be removed: the pod first. */
  get made(): readonly Leftover[] {
    return this.#made;
  }

  /** Throws UserError with the original's words for what could not be made; the signal ends it between two steps. */
  async create(): Promise<CreatedResources> {
    const { client, settings, request, hostVariables, env, signal } = this.#options;
    const { imagePullCredentials } = request.compose;
    const decoration = await step('Failed to load pod spec', signal, () =>
      settings.podSpec === '' ? Promise.resolve(noDecoration) : readDecoration(client, settings.podSpec, signal),
    );
    const environment = await step('Failed to create environment secret', signal, () =>
      environmentSecrets(request.variables, hostVariables, request.files),
    );
    const dockerConfig = await step('Failed to create temporary image pull secret', signal, () =>
      imagePullCredentials.length === 0 ? undefined : dockerConfigJson(imagePullCredentials, { env, signal }),
    );
    const build = (names: JobNames): ReturnType<typeof buildPod> =>
      buildPod({
        containers: request.compose.containers,
        defaultImage: settings.defaultImage,
        allowedImages: settings.allowedImages,
        decoration,
        names,
        environmentSecrets: environment.secrets.length,
        hasPullSecret: dockerConfig !== undefined,
      });
    await step('Failed to create pod: error building pod spec', signal, () => build(jobNames(request.jobId)));
    const { names, built, uid } = await step('Failed to create pod', signal, () => this.#createPod(build));
    const owner = ownerReference({ name: names.pod, uid });
    if (dockerConfig !== undefined) {
      const data = new Map([['.dockerconfigjson', Buffer.from(dockerConfig)]]);
      await step('Failed to create temporary image pull secret', signal, () =>
        this.#createSecret(names.pullSecret, 'kubernetes.io/dockerconfigjson', data, owner),
      );
    }
    for (const [index, data] of environment.secrets.entries()) {
      await step('Failed to create environment secret', signal, () =>
        this.#createSecret(names.environmentSecret(index), 'Opaque', data, owner),
      );
    }
    return { pod: { name: names.pod, uid }, parts: environment.parts, remarks: built.remarks };
  }

  /** The usual name may be taken by what an agent has left that nobody can ask any more: then another one. */
  async #createPod(
    build: (names: JobNames) => ReturnType<typeof buildPod>,
  ): Promise<{ names: JobNames; built: ReturnType<typeof buildPod>; uid: string }> {
    const { jobId } = this.#options.request;
    for (let attempt = 0; ; attempt += 1) {
      const names = jobNames(jobId, attempt > 0);
      const built = build(names);
      const graceSeconds = built.spec.terminationGracePeriodSeconds === undefined ? usualGraceSeconds : undefined;
      const leftover: Leftover = { kind: 'pod', name: names.pod, uid: undefined, graceSeconds };
      this.#made.push(leftover);
      try {
        const pod = await this.#options.client.createPod(
          { ...this.#meta(names.pod), spec: built.spec },
          this.#options.signal,
        );
        const uid = this.#uidOfOurs(pod);
        leftover.uid = uid;
        return { names, built, uid };
      } catch (error: unknown) {
        const isRefused = error instanceof RemoteError && error.status !== undefined && error.status < 500;
        if (isRefused) this.#made.pop();
        if (!(error instanceof RemoteError) || error.status !== 409 || attempt >= 3) throw error;
      }
    }
  }

  /** Throws RemoteError (409) when an answer was lost and the pod of that name turns out to be somebody else's. */
  #uidOfOurs(pod: Pod): string {
    const { owner, request } = this.#options;
    const made = processOf(pod.metadata);
    if (made?.host === owner.host && made.pid === owner.pid && made.started === owner.started)
      return pod.metadata.uid ?? '';
    throw new RemoteError(`there is another pod named ${pod.metadata.name}`, {
      kind: 'rejected',
      endpoint: `create pods for job ${request.jobId}`,
      status: 409,
      retryable: false,
    });
  }

  async #createSecret(
    name: string,
    type: string,
    data: ReadonlyMap<string, Buffer>,
    owner: OwnerReference,
  ): Promise<void> {
    const leftover: Leftover = { kind: 'secret', name, uid: undefined };
    this.#made.push(leftover);
    const { metadata } = this.#meta(name);
    const encoded = Object.fromEntries([...data].map(([key, bytes]) => [key, bytes.toString('base64')]));
    const secret = await this.#options.client.createSecret(
      { metadata: { ...metadata, ownerReferences: [owner] }, type, immutable: true, data: encoded },
      this.#options.signal,
    );
    leftover.uid = secret.metadata.uid;
  }

  #meta(name: string): Pick<Pod, 'metadata'> {
    const { client, owner, request, settings } = this.#options;
    return {
      metadata: {
        name,
        namespace: client.namespace,
        ...ownedMeta(owner, request.jobId, settings.labels),
        ...(owner.pod && { ownerReferences: [ownerReference(owner.pod)] }),
      },
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
