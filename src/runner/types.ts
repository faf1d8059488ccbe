import type { LoadedConfig } from '../config/index.ts';
import type { Clock } from '../lib/index.ts';
import type { Logger } from '../telemetry/index.ts';

/** The ways in which a runner is asked to end. */
export interface ShutdownSignals {
  /** Aborted by the first SIGTERM or SIGINT: take nothing new, finish what runs, report, end. */
  drain: AbortSignal;
  /** Aborted by the second: end the running tasks too. Its reason is the signal's name. */
  cancel: AbortSignal;
  /** Aborted by SIGUSR2: end at once and leave what runs to the next runner, which goes on with it. */
  leave: AbortSignal;
}

export interface RunRunnerOptions {
  loaded: LoadedConfig;
  logger: Logger;
  /** Told every token that is used from now on, so that no log shows it. */
  onToken?: (token: string) => void;
  /** Writes a line to standard output. */
  stdout: (line: string) => void;
  shutdown: ShutdownSignals;
  /** @default the system's */
  clock?: Clock;
  /** Told the number of running tasks when draining begins. */
  onDraining?: (running: number) => void;
}
