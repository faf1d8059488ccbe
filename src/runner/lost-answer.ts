import { codeOf, type Clock, type RemoteError } from '../lib/index.ts';

/** Failures before the first byte of a request could be sent. */
const neverSent: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EAI_NODATA',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'EADDRNOTAVAIL',
]);

/** What gateways say when they have passed a request on and got no answer. */
const gatewayStatuses: ReadonlySet<number> = new Set([502, 504]);

/** Whether the server may have done what it was asked for although `error` came back instead of its answer. */
export function mayHaveArrived({ cause, kind, status }: RemoteError): boolean {
  if (status !== undefined) return status < 300 || gatewayStatuses.has(status);
  if (kind === 'tls' || kind === 'proxy') return false;
  return !neverSent.has(codeOf(cause) ?? '');
}

/**
 * A signal that follows `signal` after `ms`: what is on its way gets the time to arrive. `done` must be called when it has.
 */
export function lingering(
  signal: AbortSignal | undefined,
  ms: number,
  clock: Clock,
): { signal: AbortSignal; done: () => void } {
  const later = new AbortController();
  const over = new AbortController();
  const follow = async (): Promise<void> => {
    try {
      await clock.sleep(ms, over.signal);
    } catch {
      return; // It arrived.
    }
    later.abort(signal?.reason);
  };
  const onAbort = (): void => void follow();
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: later.signal,
    done: () => {
      over.abort();
      signal?.removeEventListener('abort', onAbort);
    },
  };
}
