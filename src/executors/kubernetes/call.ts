import { Backoff, type Clock, RemoteError } from '../../lib/index.ts';
import { answerFailure, type ApiAction, isPassing } from './answer-failure.ts';
import type { KubernetesConnection } from './connection.ts';
import { type ApiAnswer, type ApiRequest, exchange } from './request.ts';

export interface CallOptions {
  connection: KubernetesConnection;
  clock: Pick<Clock, 'sleep' | 'random'>;
  action: ApiAction;
  request: ApiRequest;
  /** Statuses that are an answer, not a failure, besides 2xx. @default none */
  expected?: readonly number[];
  /** Aborted, there is no further attempt. */
  signal: AbortSignal | undefined;
}

const maxAttempts = 5;
/** A server that asks for more patience is taken at its word only so far, milliseconds. */
const maxRetryAfterMs = 30_000;

/** What came back, and whether an earlier attempt may have had its effect although its answer was lost. */
export interface CallResult {
  answer: ApiAnswer;
  mayBeRepeated: boolean;
}

/**
 * Calls the API. What fails in passing (no connection, a lost one, 429, 5xx) is tried again a few times; all our requests allow that,
 * because objects are made with names of their own. Throws RemoteError, UserError, or the signal's reason.
 */
export async function call({
  connection,
  clock,
  action,
  request,
  expected = [],
  signal,
}: CallOptions): Promise<CallResult> {
  const backoff = new Backoff({ initialMs: 250, maxMs: 4000 }, clock);
  let mayBeRepeated = false;
  for (;;) {
    const outcome = await attempt(connection, request);
    if (!(outcome instanceof RemoteError)) {
      const { status } = outcome;
      if ((status >= 200 && status < 300) || expected.includes(status)) return { answer: outcome, mayBeRepeated };
    }
    const error = outcome instanceof RemoteError ? outcome : answerFailure(outcome, connection, action);
    const isLast = backoff.failures + 1 >= maxAttempts;
    const isPassingFailure = error.status === undefined ? error.retryable : isPassing(error.status);
    if (isLast || !isPassingFailure) throw error;
    // 429 is said before anything is done.
    if (error.status !== 429) mayBeRepeated = true;
    const pauseMs = Math.max(backoff.next(), Math.min(error.retryAfterMs ?? 0, maxRetryAfterMs));
    await clock.sleep(pauseMs, signal);
  }
}

async function attempt(connection: KubernetesConnection, request: ApiRequest): Promise<ApiAnswer | RemoteError> {
  try {
    return await exchange(connection, request);
  } catch (error: unknown) {
    if (error instanceof RemoteError) return error;
    throw error;
  }
}
