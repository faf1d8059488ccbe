import { outliveOutput } from './output.ts';

/** The ways to end a long-running command; the shape the runner expects. */
export interface ShutdownSignals {
  /** Aborted by the first signal; its reason is the signal's name. */
  drain: AbortSignal;
  /** Aborted by the second. */
  cancel: AbortSignal;
  /** Aborted by SIGUSR2, which means to leave what runs to a successor. */
  leave: AbortSignal;
}

export interface ShutdownListener {
  signals: ShutdownSignals;
  /** Gives the signals their usual effect back. */
  release(): void;
}

/**
 * The first SIGTERM or SIGINT asks to finish, the second to cancel; further ones change nothing, because cancelling always
 * ends. SIGHUP is left alone on purpose: under `nohup` it is ignored, and a handler would undo that. From now on nothing but a
 * signal ends the command: not what it cannot print either.
 */
export function listenForShutdown(target: Pick<NodeJS.Process, 'on' | 'off'> = process): ShutdownListener {
  outliveOutput();
  const drain = new AbortController();
  const cancel = new AbortController();
  const leave = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    (drain.signal.aborted ? cancel : drain).abort(name);
  };
  // Node.js would open its debugger to everybody on this machine, for good.
  const ignore = () => undefined;
  const names = ['SIGTERM', 'SIGINT'] as const;
  const onLeave = () => leave.abort('SIGUSR2');
  for (const name of names) target.on(name, onSignal);
  target.on('SIGUSR2', onLeave);
  target.on('SIGUSR1', ignore);
  return {
    signals: { drain: drain.signal, cancel: cancel.signal, leave: leave.signal },
    release: () => {
      for (const name of names) target.off(name, onSignal);
      target.off('SIGUSR2', onLeave);
      target.off('SIGUSR1', ignore);
    },
  };
}

/** What a person at a terminal should know after the first Ctrl-C. */
export function drainingText(running: number): string {
  if (running === 0) return 'Ending; nothing is running.';
  const tasks = running === 1 ? '1 running task' : `${running} running tasks`;
  return `Finishing ${tasks}; press Ctrl-C again to cancel ${running === 1 ? 'it' : 'them'}.`;
}
