import { assertNever } from '../lib/index.ts';
import { isFinished, type TaskStatus } from '../protocol/ui/index.ts';

/**
 * Whether the runner takes over a status that the server reports for a task it runs (spec 3.5, step 3). The server's copy
 * lags behind: what the runner has just done must not be undone by an answer that was on its way.
 */
export function acceptsServerStatus(local: TaskStatus, server: TaskStatus): boolean {
  if (local === server || isFinished(local)) return false;
  switch (local) {
    case 'running':
      // A decision that the task has acted on already; `rejected` is our addition, for a task that goes on after a "no".
      // Nor can the server know of a question that this runner does not ask: that one was asked before it was started again.
      return !['starting', 'waiting', 'confirmed', 'rejected', 'waiting_confirmation'].includes(server);
    case 'stopping':
      return isFinished(server);
    case 'confirmed':
      return server !== 'waiting_confirmation';
    case 'waiting_confirmation':
      return server !== 'running';
    case 'waiting':
    case 'starting':
    case 'rejected':
    case 'stopped':
    case 'success':
    case 'error':
      return true;
    default:
      return assertNever(local);
  }
}
