import { Backoff, type Clock } from '../lib/index.ts';
import type { RunnerState, UiRunnerClient } from '../protocol/ui/index.ts';
import { Alarm } from './alarm.ts';
import type { ConnectionLog } from './connection-log.ts';
import { waitAfter } from './retry.ts';

export interface PollerOptions {
  client: Pick<UiRunnerClient, 'fetchState'>;
  clock: Clock;
  connection: ConnectionLog;
  intervalMs: number;
  /** Called with every answer, before the next request. */
  onState: (state: RunnerState) => void;
}

const retry = { initialMs: 1_000, maxMs: 15_000 };

/**
 * Owns every GET, which is the heartbeat and brings new tasks (spec 3.3, 3.5). One request at a time: every
 * `intervalMs`, at once when `pollNow` is called, later and later while the server does not answer.
 */
export class Poller {
  readonly #options: PollerOptions;
  readonly #backoff: Backoff;
  readonly #abort = new AbortController();
  readonly #alarm: Alarm;
  #polling = false;
  #again = false;
  #failing = false;

  constructor(options: PollerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(retry, options.clock);
    this.#alarm = new Alarm(options.clock, () => void this.#poll());
  }

  /** True while an answer is awaited that the server may have made before what happens now. */
  get polling(): boolean {
    return this.#polling;
  }

  start(): void {
    void this.#poll();
  }

  /** Asks at once, or right after the request that is under way. Not while the server is failing. */
  pollNow(): void {
    if (this.#polling) this.#again = true;
    else if (!this.#failing) void this.#poll();
  }

  stop(): void {
    this.#abort.abort();
    this.#alarm.clear();
  }

  async #poll(): Promise<void> {
    if (this.#polling || this.#abort.signal.aborted) return;
    const { client, clock, connection, intervalMs, onState } = this.#options;
    this.#alarm.clear();
    this.#polling = true;
    this.#again = false;
    const startedAt = clock.now();
    let wait: number;
    try {
      const state = await client.fetchState(this.#abort.signal);
      this.#backoff.reset();
      this.#failing = false;
      connection.succeeded('poll');
      onState(state);
      // The wall clock may have been set back meanwhile.
      wait = Math.min(intervalMs, Math.max(0, startedAt + intervalMs - clock.now()));
    } catch (error: unknown) {
      if (this.#abort.signal.aborted) return;
      this.#failing = true;
      connection.failed('poll', error);
      wait = Math.max(intervalMs, waitAfter(error, this.#backoff.next(), connection.refused.aborted));
    } finally {
      this.#polling = false;
    }
    if (this.#abort.signal.aborted) return;
    if (this.#again && !this.#failing) void this.#poll();
    else this.#alarm.set(wait);
  }
}
