import { messageOf, type RemoteError } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { KubernetesClient, Pod } from '../kubernetes/index.ts';

export interface PodObserverOptions {
  client: Pick<KubernetesClient, 'watchPod'>;
  name: string;
  logger: Pick<Logger, 'warn'>;
}

/** Where watching is not allowed, a pod that runs is looked at this often, milliseconds. */
const calmPollMs = 10_000;
const startPollMs = 1000;

/** Keeps in view what becomes of a pod, from its start to its end. */
export class PodObserver {
  readonly #ended = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #watching: Promise<void>;
  #pod: Pod | undefined;
  #isGone = false;
  #failure: Error | undefined;
  #isCalm = false;

  constructor({ client, name, logger }: PodObserverOptions) {
    this.#watching = this.#watch(client, name, logger);
  }

  /** As it was seen last; undefined before the first look. */
  get pod(): Pod | undefined {
    return this.#pod;
  }

  /** It was there and is not any more. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Why nothing can be seen any more. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** The pod has started; changes are rare and need not be seen at once. */
  calm(): void {
    this.#isCalm = true;
  }

  /** Resolves with the next change, or after `ms`, or when the signal is aborted. */
  changed(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        this.#listeners.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#listeners.add(done);
      signal?.addEventListener('abort', done);
      if (signal?.aborted === true) done();
    });
  }

  async close(): Promise<void> {
    this.#ended.abort();
    // Nobody waits for the next change any more.
    this.#tell();
    await this.#watching;
  }

  async #watch(client: Pick<KubernetesClient, 'watchPod'>, name: string, logger: Pick<Logger, 'warn'>): Promise<void> {
    const { signal } = this.#ended;
    const onTrouble = (error: RemoteError): void =>
      logger.warn('The pod of the job cannot be looked at for the moment', { pod: name, error: error.message });
    const pollMs = (): number => (this.#isCalm ? calmPollMs : startPollMs);
    try {
      for await (const pod of client.watchPod(name, { signal, onTrouble, pollMs })) {
        if (pod) this.#pod = pod;
        else this.#isGone = true;
        this.#tell();
      }
    } catch (error: unknown) {
      if (signal.aborted) return;
      this.#failure = error instanceof Error ? error : new Error(messageOf(error));
      this.#tell();
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
