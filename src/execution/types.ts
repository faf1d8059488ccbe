import type { Readable } from 'node:stream';
import type { Identity } from './identity.ts';

/** How a process and everything it started is ended: signal, grace, then KILL to whatever is left. */
export interface StopLadder {
  /** `SIGINT` for tools that clean up on it (Terraform unlocks its state), else `SIGTERM`. */
  signal: 'SIGINT' | 'SIGTERM';
  /** Milliseconds from the first signal to KILL. */
  graceMs: number;
}

/** One process as a plain value (but for `stdin`). Secrets are never in `args`; `env` is complete: nothing is inherited. */
export interface ProcessSpec extends Identity {
  /** Executable: an absolute path, or a name looked up in `env.PATH`. */
  command: string;
  args: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  stop: StopLadder;
  /** What the process reads from its standard input, for tools that ask; without it they read end of file at once. */
  stdin?: Readable | undefined;
  /** Run as this user; both or none. */
  uid?: number | undefined;
  gid?: number | undefined;
}

/** How a process ended. Expected outcomes, never exceptions. */
export type ProcessResult =
  | { kind: 'exited'; code: number }
  | { kind: 'signalled'; signal: string }
  /** It was ended by us because the task's signal was aborted. */
  | { kind: 'stopped' }
  /** It could not be started: `code` is `ENOENT`, `EACCES`, … */
  | { kind: 'unstartable'; code: string; message: string }
  /** It went on without a runner and is gone now, without an exit code: it was killed while nobody looked. */
  | { kind: 'lost' }
  /** What it ran in is gone with it, a container or its machine; `reason` is for people, the rest of a sentence. */
  | { kind: 'gone'; reason: string }
  /** Its output could not be written to the log, for the reason given; it was stopped, and what it went on to say is lost. */
  | { kind: 'unlogged'; reason: string };

/** Result of a short helper process whose standard output is wanted and not part of the log. */
export interface CaptureResult {
  result: ProcessResult;
  stdout: string;
  stderr: string;
}
