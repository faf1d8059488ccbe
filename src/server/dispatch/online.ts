import type { RunnerRecord } from '../store/records.ts';

/**
 * Whether tasks may be given to a runner: it asked for work within the time-out, or it has a webhook, through which it can be
 * woken (spec 3.9, 8.3).
 */
export function isOnline(runner: RunnerRecord, now: number, offlineTimeoutMs: number): boolean {
  if (runner.tokenHash === undefined) return false;
  if (runner.webhook !== undefined) return true;
  return runner.touched !== undefined && now - Date.parse(runner.touched) < offlineTimeoutMs;
}
