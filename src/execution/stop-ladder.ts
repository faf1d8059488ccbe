import { signalGroup, sweepTagged } from './process-tree.ts';
import type { StopLadder } from './types.ts';

/** A running end of a process: what remains to be done is dropped by `cancel`. */
export interface RunningLadder {
  cancel(): void;
}

/**
 * Ends the process group `pgid` and everything that carries `tag`: the ladder's signal first, KILL after its grace. The
 * caller cancels it when the process has ended by itself.
 */
export function climbLadder(pgid: number, ladder: StopLadder, tag: string): RunningLadder {
  signalGroup(pgid, ladder.signal);
  // A process that stopped itself (SIGSTOP) sees no signal but KILL until it is continued.
  signalGroup(pgid, 'SIGCONT');
  const timer = setTimeout(() => {
    signalGroup(pgid, 'SIGKILL');
    sweepTagged(tag);
  }, ladder.graceMs);
  return { cancel: () => clearTimeout(timer) };
}
