import { messageOf, RemoteError } from '../../lib/index.ts';
import type { Clock } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { KubernetesClient } from '../kubernetes/index.ts';
import type { PodObserver } from './pod-observer.ts';
import { readinessOf } from './pod-state.ts';

export interface WaitForPodOptions {
  client: Pick<KubernetesClient, 'podEvents'>;
  observer: PodObserver;
  pod: { name: string; uid: string };
  timeoutSeconds: number;
  /** For the job's log: each thing once. */
  say: (text: string) => void;
  clock: Pick<Clock, 'now'>;
  logger: Pick<Logger, 'info'>;
  signal: AbortSignal;
}

/** Between two looks at the events of a pod that does not start, milliseconds. */
const eventsMs = 2000;

/**
 * Waits until a shell can be started in the pod. Resolves with undefined, or with the reason why not: it has failed, the time is over, or the
 * signal was aborted. Says what it waits for, and the warnings among the events of the pod (spec CI 6.3).
 */
export async function waitForPod(options: WaitForPodOptions): Promise<string | undefined> {
  const { observer, timeoutSeconds, say, clock, logger, signal } = options;
  const deadline = clock.now() + timeoutSeconds * 1000;
  const events = new Warnings(options);
  let reason = 'the pod is pending';
  let said = '';
  for (;;) {
    if (signal.aborted) return 'it was stopped';
    if (observer.isGone) return 'the pod was deleted';
    if (observer.failure) return reasonOf(observer.failure);
    const { pod } = observer;
    const readiness = pod && readinessOf(pod);
    if (pod?.metadata.deletionTimestamp !== undefined) return 'the pod is being deleted';
    if (readiness?.kind === 'ready') return undefined;
    if (readiness?.kind === 'hopeless') {
      await events.look();
      return readiness.reason;
    }
    if (readiness) reason = readiness.reason;
    if (reason !== said) {
      say(`Pod is not ready yet: ${reason}\n`);
      logger.info('The pod of the job is not ready yet', { pod: options.pod.name, reason });
      said = reason;
    }
    const leftMs = deadline - clock.now();
    if (leftMs <= 0) return `it was not ready within ${timeoutSeconds} seconds: ${[reason, ...events.last].join('; ')}`;
    await observer.changed(Math.min(leftMs, eventsMs), signal);
    await events.look();
  }
}

/** An error with what helps, in one line. */
export function reasonOf(error: unknown): string {
  const hint = error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? ` ${error.hint}` : '';
  const message = messageOf(error);
  return hint === '' ? message : `${/[.!?]$/.test(message) ? message : `${message}.`}${hint}`;
}

/** The events of the pod that say what is wrong. Where they may not be read, there are none. */
class Warnings {
  /** The latest of each kind. */
  readonly #said = new Map<string, string>();
  readonly #options: WaitForPodOptions;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #mayLook = true;

  constructor(options: WaitForPodOptions) {
    this.#options = options;
  }

  get last(): string[] {
    return [...this.#said].map(([reason, message]) => `${reason}: ${message}`);
  }

  async look(): Promise<void> {
    const { client, pod, say, clock, logger, signal } = this.#options;
    if (!this.#mayLook || signal.aborted || clock.now() - this.#lookedAt < eventsMs / 2) return;
    this.#lookedAt = clock.now();
    try {
      for (const { type, reason = '', message = '' } of await client.podEvents(pod, signal)) {
        if (type !== 'Warning' || this.#said.get(reason) === message) continue;
        this.#said.set(reason, message);
        say(`${reason}: ${message}\n`);
      }
    } catch (error: unknown) {
      if (signal.aborted) return;
      this.#mayLook = !(error instanceof RemoteError && error.status === 403);
      logger.info('The events of the pod cannot be read', { pod: pod.name, error: reasonOf(error) });
    }
  }
}
