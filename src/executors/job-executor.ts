/**
 * What the Semaphore CI agent needs of the place where a job runs (spec CI 6): this host, containers of docker compose, a
 * Kubernetes pod. One executor serves one job. Methods resolve with exit codes as a shell would give them, 0 for success;
 * they reject only when the program itself is at fault.
 */
import type { EncodedVariable, JobFile } from '../protocol/ci/index.ts';

/** Where the events of a job go; the agent numbers, stores and sends them (spec CI 5.3). Times are whole Unix seconds. */
export interface JobEvents {
  commandStarted(directive: string): void;
  /** UTF-8 text; invalid bytes have become U+FFFD, one for each. Empty text writes nothing. */
  output(text: string): void;
  commandFinished(command: { directive: string; exitCode: number; startedAt: number; finishedAt: number }): void;
}

export interface JobCommand {
  /** The shell text, several lines perhaps. */
  directive: string;
  /** Shown instead of the directive; the first output is then `Running: <directive>`. */
  alias?: string | undefined;
  /** Shown as a further output, `Warning: <text>`. */
  warning?: string | undefined;
}

export interface JobExecutor {
  /** Everything before the shell: keys, images, manifests. */
  prepare(): Promise<number>;
  /** Opens the shell session. */
  start(): Promise<number>;
  /** Exports variables into the session (spec CI 5.4); `host` ones win over those of the job. */
  exportVariables(job: readonly EncodedVariable[], host: readonly { name: string; value: string }[]): Promise<number>;
  /** Writes the job's files (spec CI 5.5). */
  injectFiles(files: readonly JobFile[]): Promise<number>;
  /** Runs a command in the session, with its events. */
  run(command: JobCommand): Promise<number>;
  /** Runs a command without any event, and gives what it printed. */
  evaluate(directive: string): Promise<{ output: string; exitCode: number }>;
  /**
   * Ends the session and everything it started: TERM, grace, KILL, for the whole tree. A command that is running ends with
   * exit code 1. Safe at any moment, also before `start`, and twice.
   */
  stop(): Promise<void>;
}
