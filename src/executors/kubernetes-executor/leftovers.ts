import { Backoff, type Clock } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { KubernetesClient } from '../kubernetes/index.ts';
import { reasonOf } from './wait-for-pod.ts';

/** Something of a job on the cluster. Without uid, whoever has the name. */
export interface Leftover {
  kind: 'pod' | 'secret';
  name: string;
  uid: string | undefined;
  /** From TERM to KILL, seconds. @default what the pod says */
  graceSeconds?: number | undefined;
}

export interface LeftoversOptions {
  client: KubernetesClient;
  clock: Pick<Clock, 'sleep' | 'random'>;
  logger: Pick<Logger, 'info' | 'warn'>;
}

/** What could not be removed at the end of a job, because the API server was away. It is tried again until it is gone. */
export class Leftovers {
  readonly #options: LeftoversOptions;
  readonly #ended = new AbortController();
  readonly #left = new Set<Leftover>();
  #retrying: Promise<void> | undefined;

  constructor(options: LeftoversOptions) {
    this.#options = options;
  }

  /** Removes them now or, when that fails, later. Never rejects. */
  async remove(objects: readonly Leftover[]): Promise<void> {
    for (const object of objects) {
      if (await this.#tryToRemove(object)) continue;
      this.#left.add(object);
    }
    if (this.#left.size > 0) this.#retrying ??= this.#retry();
  }

  /** The agent ends: what is left gets a last try. */
  async close(): Promise<void> {
    this.#ended.abort();
    await this.#retrying;
    for (const object of this.#left) await this.#tryToRemove(object, AbortSignal.timeout(5000));
  }

  async #retry(): Promise<void> {
    const { clock, logger } = this.#options;
    const backoff = new Backoff({ initialMs: 2000, maxMs: 60_000 }, clock);
    while (this.#left.size > 0) {
      try {
        await clock.sleep(backoff.next(), this.#ended.signal);
      } catch {
        return;
      }
      for (const object of this.#left) {
        if (!(await this.#tryToRemove(object, this.#ended.signal))) break;
        this.#left.delete(object);
        logger.info('Removed what a job has left', { kind: object.kind, name: object.name });
      }
    }
    this.#retrying = undefined;
  }

  async #tryToRemove({ kind, name, uid, graceSeconds }: Leftover, signal?: AbortSignal): Promise<boolean> {
    const { client, logger } = this.#options;
    try {
      if (kind === 'secret') await client.deleteSecret(name, { uid, signal });
      else await client.deletePod(name, { uid, signal, ...(graceSeconds !== undefined && { graceSeconds }) });
      return true;
    } catch (error: unknown) {
      logger.warn('Something of a job cannot be removed from the cluster; it is tried again', {
        kind,
        name,
        error: reasonOf(error),
      });
      return false;
    }
  }
}
