import type { SyncAnswer, SyncReport } from '../../protocol/ci/index.ts';
import type { ShutdownReason } from './state.ts';

/** Lines of the agent's log that people search for, as the original writes them (spec CI 8.2). */

export function syncRequestText({ state, jobId, jobResult }: SyncReport): string {
  return `SYNC request (state: ${state}${part('job', jobId)}${part('result', jobResult)})`;
}

export function syncResponseText({ action, jobId, shutdownReason }: SyncAnswer): string {
  return `SYNC response (action: ${action}${part('job', jobId)}${part('reason', shutdownReason)})`;
}

export function waitingText(ms: number): string {
  return `Waiting ${ms < 1000 ? `${ms}ms` : `${ms / 1000}s`} for next sync...`;
}

export function shutdownText(reason: ShutdownReason): string {
  return `Agent shutting down due to: ${reason}`;
}

function part(name: string, value: string): string {
  return value === '' ? '' : `, ${name}: ${value}`;
}
