import type { Clock } from '../lib/index.ts';
import type { RunnerState, UiRunnerClient } from '../protocol/ui/index.ts';
import type { TokenSource } from '../secrets/index.ts';
import { isTokenRefusal } from './retry.ts';

/** How long after a refusal a new token is waited for, once for each token, milliseconds. */
const lookAgainMs = 3_000;
/** For how long after a change the token before is tried when the new one is refused, milliseconds. */
const overlapMs = 10 * 60_000;
/** How long the token before is used without asking for the new one in between, milliseconds. */
const restMs = 5_000;

/** What a running runner asks of the server. */
export type RunnerClient = Pick<UiRunnerClient, 'fetchState' | 'report'>;

export interface RenewingClientOptions {
  source: TokenSource;
  /** A client with one token. */
  clientFor: (token: string) => RunnerClient;
  clock: Clock;
}

/**
 * Talks to the server with the token of now, and survives its replacement, which nobody can make on the server and here at the same
 * moment. Refused with a token, a request is sent once more with another one, if there is one:
 *
 *     here first:    the new token is refused until the server knows it: the one before is used
 *     server first:  the old token is refused: the new one is looked up, at once and a moment later
 *
 * What is refused without another token is the caller's business.
 */
export class RenewingClient implements RunnerClient {
  readonly #options: RenewingClientOptions;
  readonly #waitedFor = new Set<string>();
  #latest: string | undefined;
  #before: { token: string; until: number; restUntil: number } | undefined;

  constructor(options: RenewingClientOptions) {
    this.#options = options;
  }

  async fetchState(signal?: AbortSignal): Promise<RunnerState> {
    return await this.#send((client) => client.fetchState(signal), signal);
  }

  async report(body: string | Buffer, signal?: AbortSignal): Promise<{ terminatedJobs: number[] }> {
    return await this.#send((client) => client.report(body, signal), signal);
  }

  async #send<T>(ask: (client: RunnerClient) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { clientFor, clock } = this.#options;
    const current = this.#current();
    const token = this.#before && clock.now() < this.#before.restUntil ? this.#before.token : current;
    try {
      return await ask(clientFor(token));
    } catch (error: unknown) {
      const other = isTokenRefusal(error) ? await this.#another(token, signal) : undefined;
      if (other === undefined) throw error;
      return await ask(clientFor(other));
    }
  }

  /** The token of now; a change is noted here. */
  #current(): string {
    const token = this.#options.source.current();
    if (this.#latest !== undefined && token !== this.#latest) {
      this.#before = { token: this.#latest, until: this.#options.clock.now() + overlapMs, restUntil: 0 };
    }
    this.#latest = token;
    return token;
  }

  /** A token that is worth a try after `refused` was refused. */
  async #another(refused: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    const { clock, source } = this.#options;
    await source.refresh();
    const found = this.#current();
    if (found !== refused) return found;
    if (this.#before && this.#before.token !== refused && clock.now() < this.#before.until) {
      this.#before.restUntil = clock.now() + restMs;
      return this.#before.token;
    }
    if (!source.mayChange || this.#waitedFor.has(refused)) return undefined;
    this.#waitedFor.add(refused);
    await clock.sleep(lookAgainMs, signal).catch(() => undefined);
    await source.refresh();
    const later = this.#current();
    return later === refused ? undefined : later;
  }
}
