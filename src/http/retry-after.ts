import type { HttpResponse } from './types.ts';

/**
 * `Retry-After` in milliseconds, given in seconds or as a date; undefined when there is none. A date is measured against the answer's own
 * `Date`, so that a clock that is wrong here does no harm.
 */
export function retryAfterMs({ headers }: Pick<HttpResponse, 'headers'>): number | undefined {
  const value = headers['retry-after']?.trim();
  if (value === undefined || value === '') return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const until = Date.parse(value);
  if (Number.isNaN(until)) return undefined;
  const serverNow = Date.parse(headers['date'] ?? '');
  return Math.max(0, until - (Number.isNaN(serverNow) ? Date.now() : serverNow));
}
