import { setTimeout as delay } from 'node:timers/promises';
import { signalGroup } from './process-tree.ts';
import type { TaskProcesses } from './task-processes.ts';
import type { StopLadder } from './types.ts';

/** Between two looks at what a tool has left, milliseconds. */
const lookMs = 50;

/** The way down of a step that was stopped. */
export interface RunningLadder {
  /** The tool itself has ended; what it has left learns of it, too. */
  toolEnded(): void;
  /** Resolves when nothing of the step is left, or the grace is over and the rest was killed. */
  finish(): Promise<void>;
}

/**
 * Ends a step and all that it started: the ladder's signal to every process, KILL after the grace to those that are left. `leader` is
 * the step's process group. The tool's helpers have the same grace as the tool, also when it does not wait for them.
 */
export function climbLadder(leader: number, { graceMs, signal }: StopLadder, processes: TaskProcesses): RunningLadder {
  const deadline = Date.now() + graceMs;
  let told = false;
  processes.signal(signal, leader);
  const timer = setTimeout(() => {
    signalGroup(leader, 'SIGKILL');
    processes.kill();
  }, graceMs);
  const toolEnded = (): void => {
    // What a shell starts in the background ignores INT.
    if (!told && signal === 'SIGINT') processes.signal('SIGTERM');
    told = true;
  };
  return {
    toolEnded,
    finish: async () => {
      toolEnded();
      while (Date.now() < deadline && processes.listSteps().length > 0) await delay(lookMs);
      clearTimeout(timer);
      processes.kill();
    },
  };
}
