import { type Clock, RemoteError } from '../../lib/index.ts';
import type { ApiAction } from './answer-failure.ts';
import { call, type CallResult } from './call.ts';
import type { KubernetesConnection } from './connection.ts';
import { execInPod, type ExecRequest, type ExecStream } from './exec.ts';
import type { ApiRequest } from './request.ts';
import type { ConfigMap, ObjectEvent, ObjectMeta, Pod, Secret } from './types.ts';
import { watchPod, type WatchPodOptions } from './watch-pod.ts';

export interface DeleteOptions {
  /** From TERM to KILL, seconds. @default what the object says */
  graceSeconds?: number;
  /** Only the object with this uid. */
  uid?: string | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The few calls that we make, in one namespace. Each throws RemoteError (with `status`, when the API answered), UserError (no credentials),
 * or the signal's reason. Passing troubles are tried again for some seconds.
 */
export class KubernetesClient {
  readonly connection: KubernetesConnection;
  readonly #clock: Pick<Clock, 'sleep' | 'random'>;

  constructor(connection: KubernetesConnection, clock: Pick<Clock, 'sleep' | 'random'>) {
    this.connection = connection;
    this.#clock = clock;
  }

  get namespace(): string {
    return this.connection.namespace;
  }

  /**
   * Throws RemoteError with status 409 when there is one of this name already. The signal ends no request that is on its way, which might
   * make the pod all the same, but the attempts that would follow.
   */
  createPod(pod: Pod, signal?: AbortSignal): Promise<Pod> {
    return this.#create<Pod>('pods', { apiVersion: 'v1', kind: 'Pod', ...pod }, signal);
  }

  /** As `createPod`. */
  createSecret(secret: Secret, signal?: AbortSignal): Promise<Secret> {
    return this.#create<Secret>('secrets', { apiVersion: 'v1', kind: 'Secret', ...secret }, signal);
  }

  /** Merges fields into a secret. Throws RemoteError with status 404 when there is none. */
  async patchSecret(
    name: string,
    patch: { metadata: Pick<ObjectMeta, 'ownerReferences'> },
    signal?: AbortSignal,
  ): Promise<void> {
    const path = this.#path('secrets', name);
    await this.#call('patch', 'secrets', { method: 'PATCH', path, body: patch, signal });
  }

  getPod(name: string, signal?: AbortSignal): Promise<Pod | undefined> {
    return this.#get<Pod>('pods', name, signal);
  }

  getConfigMap(name: string, signal?: AbortSignal): Promise<ConfigMap | undefined> {
    return this.#get<ConfigMap>('configmaps', name, signal);
  }

  /** `selector`: `key=value,key!=value,…`. */
  listPods(selector: string, signal?: AbortSignal): Promise<Pod[]> {
    return this.#list<Pod>('pods', { labelSelector: selector }, signal);
  }

  listSecrets(selector: string, signal?: AbortSignal): Promise<Secret[]> {
    return this.#list<Secret>('secrets', { labelSelector: selector }, signal);
  }

  /** The oldest first. */
  async podEvents(
    { name, uid }: { name: string; uid?: string | undefined },
    signal?: AbortSignal,
  ): Promise<ObjectEvent[]> {
    const of = `involvedObject.name=${name}${uid === undefined ? '' : `,involvedObject.uid=${uid}`}`;
    const events = await this.#list<ObjectEvent>('events', { fieldSelector: of }, signal);
    const timeOf = (event: ObjectEvent): string =>
      event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? '';
    return events.toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)));
  }

  /** False when there is none (any more). */
  deletePod(name: string, options: DeleteOptions = {}): Promise<boolean> {
    return this.#delete('pods', name, options);
  }

  /** False when there is none (any more). */
  deleteSecret(name: string, options: DeleteOptions = {}): Promise<boolean> {
    return this.#delete('secrets', name, options);
  }

  /** See `watchPod`. */
  watchPod(
    name: string,
    options: Pick<WatchPodOptions, 'signal' | 'onTrouble' | 'pollMs'>,
  ): AsyncGenerator<Pod | undefined> {
    return watchPod({
      connection: this.connection,
      clock: this.#clock,
      name,
      getPod: (each, signal) => this.getPod(each, signal),
      ...options,
    });
  }

  /** See `execInPod`. */
  exec(request: ExecRequest): Promise<ExecStream> {
    return execInPod(this.connection, this.#clock, request);
  }

  async #create<Kind extends { metadata: { name: string } }>(
    resource: string,
    body: Kind,
    signal: AbortSignal | undefined,
  ): Promise<Kind> {
    const path = this.#path(resource);
    const { answer, mayBeRepeated } = await this.#call(
      'create',
      resource,
      { method: 'POST', path, body },
      [409],
      signal,
    );
    if (answer.status !== 409) return parse<Kind>(answer.body);
    // An earlier attempt, whose answer was lost, has made it. Its name is nobody else's.
    const made = mayBeRepeated ? await this.#lookAgain(resource, body, signal) : undefined;
    if (made) return made;
    throw new RemoteError(`${resource} "${body.metadata.name}" already exists in namespace ${this.namespace}`, {
      kind: 'rejected',
      endpoint: `create ${resource} in ${this.namespace} at ${this.connection.server}`,
      status: 409,
      retryable: false,
    });
  }

  /** What an attempt of ours has made, as far as it may be looked at. */
  async #lookAgain<Kind extends { metadata: { name: string } }>(
    resource: string,
    body: Kind,
    signal: AbortSignal | undefined,
  ): Promise<Kind | undefined> {
    try {
      return await this.#get<Kind>(resource, body.metadata.name, signal);
    } catch (error: unknown) {
      if (error instanceof RemoteError && error.status === 403) return body;
      throw error;
    }
  }

  async #get<Kind>(resource: string, name: string, signal: AbortSignal | undefined): Promise<Kind | undefined> {
    const { answer } = await this.#call(
      'get',
      resource,
      { method: 'GET', path: this.#path(resource, name), signal },
      [404],
    );
    return answer.status === 404 ? undefined : parse<Kind>(answer.body);
  }

  async #list<Kind>(
    resource: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<Kind[]> {
    const { answer } = await this.#call('list', resource, { method: 'GET', path: this.#path(resource), query, signal });
    return parse<{ items?: Kind[] | null }>(answer.body).items ?? [];
  }

  async #delete(resource: string, name: string, { graceSeconds, uid, signal }: DeleteOptions): Promise<boolean> {
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Background',
      ...(graceSeconds !== undefined && { gracePeriodSeconds: graceSeconds }),
      ...(uid !== undefined && { preconditions: { uid } }),
    };
    const path = this.#path(resource, name);
    // 409: another one has this name now, so ours is gone.
    const { answer } = await this.#call('delete', resource, { method: 'DELETE', path, body, signal }, [404, 409]);
    return answer.status !== 404 && answer.status !== 409;
  }

  #call(
    verb: ApiAction['verb'],
    resource: string,
    request: ApiRequest,
    expected: readonly number[] = [],
    signal = request.signal,
  ): Promise<CallResult> {
    const action = { verb, resource, namespace: this.namespace };
    return call({ connection: this.connection, clock: this.#clock, action, request, expected, signal });
  }

  #path(resource: string, name?: string): string {
    const all = `/api/v1/namespaces/${encodeURIComponent(this.namespace)}/${resource}`;
    return name === undefined ? all : `${all}/${encodeURIComponent(name)}`;
  }
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- says at the call what the API answers with
function parse<Kind>(text: string): Kind {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the API's own description of its objects
  return JSON.parse(text) as Kind;
}
