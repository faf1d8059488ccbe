import { RemoteError } from '../../lib/index.ts';

/** Without a successful sync for longer than this, the agent gives up (spec CI 2.8), milliseconds. */
const patienceMs = 10 * 60_000;
/** At least so many syncs failed by then, else the machine was asleep. */
const leastFailures = 10;
/** So many refusals in a row are meant: fewer may come from a server or ingress that is being replaced. */
const meantRefusals = 5;

/** What to make of the syncs that failed: refused, `forgotten` once that is certain, and when to give up. */
export class SyncHealth {
  #lastSuccessMs: number;
  #failures = 0;
  #refusals = 0;

  constructor(nowMs: number) {
    this.#lastSuccessMs = nowMs;
  }

  succeeded(nowMs: number): void {
    this.#lastSuccessMs = nowMs;
    this.#failures = 0;
    this.#refusals = 0;
  }

  /** The server says that it does not know this agent; a job that runs may end, but nothing else will come. */
  get isForgotten(): boolean {
    return this.#refusals >= meantRefusals;
  }

  /** True when there is no use in going on. An agent that was refused lets its job end first. */
  failed(error: unknown, { nowMs, isBusy }: { nowMs: number; isBusy: boolean }): boolean {
    this.#failures += 1;
    if (isRefusal(error)) {
      this.#refusals += 1;
      return this.isForgotten && !isBusy;
    }
    this.#refusals = 0;
    return nowMs - this.#lastSuccessMs > patienceMs && this.#failures >= leastFailures;
  }
}

/** The server knows neither this agent nor its token, any more (401 and 404; spec CI 2.11). */
export function isRefusal(error: unknown): boolean {
  return error instanceof RemoteError && (error.kind === 'not_found' || error.kind === 'unauthorized');
}
