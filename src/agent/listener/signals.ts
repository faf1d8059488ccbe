import type { AgentSignals } from './types.ts';

/** So many Ctrl-C mean: at once. */
const quitCount = 3;

export interface InterruptionListener {
  signals: AgentSignals;
  /** Gives the signals their usual effect back. */
  release: () => void;
}

/**
 * Listens for SIGINT and SIGTERM (spec CI 2.9). The first one interrupts: the server decides when the agent ends. Later ones
 * change nothing, as with the original; but a third SIGINT, which is a person pressing Ctrl-C, ends the agent and its job at once.
 */
export function listenForInterruption(
  onInterrupted: (name: NodeJS.Signals) => void,
  target: Pick<NodeJS.Process, 'on' | 'off'> = process,
): InterruptionListener {
  const interrupted = new AbortController();
  const quit = new AbortController();
  let count = 0;
  const onSignal = (name: NodeJS.Signals): void => {
    if (name === 'SIGINT') count += 1;
    if (!interrupted.signal.aborted) {
      interrupted.abort(name);
      onInterrupted(name);
    }
    if (count >= quitCount) quit.abort(name);
  };
  const names = ['SIGTERM', 'SIGINT'] as const;
  for (const name of names) target.on(name, onSignal);
  // Node.js would open its debugger to everybody on this machine, for good.
  const ignore = (): void => undefined;
  target.on('SIGUSR1', ignore);
  return {
    signals: { interrupted: interrupted.signal, quit: quit.signal },
    release: () => {
      for (const name of names) target.off(name, onSignal);
      target.off('SIGUSR1', ignore);
    },
  };
}
