import { RemoteError } from '../lib/index.ts';

/** The longest time that a server may ask a runner to stay away, milliseconds. Longer, and it would look dead. */
export const maxRetryAfterMs = 5 * 60_000;

/** Time between two requests with a token that was refused for good, milliseconds. */
const refusedRetryMs = 60_000;

/** A refusal that the same request meets again: of the token, or of the runner that it belongs to. */
export function isTokenRefusal(error: unknown): error is RemoteError {
  return (
    error instanceof RemoteError && !error.retryable && (error.kind === 'unauthorized' || error.kind === 'not_found')
  );
}

/**
 * Milliseconds until the next attempt after `error`: what the back-off says, or longer when the server asks for it
 * (`Retry-After`) or refuses the token for good.
 */
export function waitAfter(error: unknown, backoffMs: number, tokenRefused: boolean): number {
  const wanted = error instanceof RemoteError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(backoffMs, Math.min(wanted, maxRetryAfterMs), tokenRefused ? refusedRetryMs : 0);
}

/** Whether the server, or something before it, has answered at all. */
export function wasAnswered(error: unknown): boolean {
  return error instanceof RemoteError && error.status !== undefined;
}
