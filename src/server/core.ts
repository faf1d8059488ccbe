import type { ServerConfig } from '../config/index.ts';
import type { Clock } from '../lib/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { Catalog } from './catalog/types.ts';
import type { TaskRecord } from './store/records.ts';
import type { Store } from './store/store.ts';
import type { TaskLogs } from './store/task-logs.ts';
import type { TaskSecrets } from './store/task-secrets.ts';

/** What the parts of the server share. */
export interface Core {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: Store;
  readonly logs: TaskLogs;
  readonly secrets: TaskSecrets;
  readonly events: Events;
  /** The server file as it is now; both are replaced when it is read again. */
  config: ServerConfig;
  catalog: Catalog;
  /** Since when this server has been watching without a break: a runner is not silent while nobody listened. */
  watchingSince: number;
}

/** What happens, for whoever wants to know. Listeners are called in the moment, and must not throw. */
export interface Events {
  /** A task was created or changed. */
  readonly changed: Signal<TaskRecord>;
  /** A task is finished. */
  readonly finished: Signal<TaskRecord>;
  /** Something happened after which a waiting task may find a runner. */
  readonly opportunity: Signal<string>;
}

/** Listeners of one kind of event. */
export class Signal<T> {
  readonly #listeners = new Set<(value: T) => void>();

  /** Returns what takes the listener off again. */
  on(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(value: T): void {
    for (const listener of this.#listeners) listener(value);
  }
}

export function createEvents(): Events {
  return { changed: new Signal(), finished: new Signal(), opportunity: new Signal() };
}

/** The current time as it is stored and sent. */
export function timestamp(clock: Pick<Clock, 'now'>): string {
  return new Date(clock.now()).toISOString();
}
