import type { Foreground, PtyExit, PtyHandlers } from '../../execution/index.ts';

/** Starts the process of a session. Throws UserError when it cannot. */
export type OpenSessionProcess = (
  /** Called no sooner than what this function returns has resolved. */
  handlers: PtyHandlers,
  /** Aborted when the session is stopped meanwhile. */
  signal: AbortSignal,
) => SessionProcess | Promise<SessionProcess>;

export type Look = Foreground | undefined;

/**
 * The process behind a shell session, with its terminal: on this machine (`PtyProcess`), in a container, in a pod. It runs when it is
 * made. What a place cannot tell is undefined.
 */
export interface SessionProcess {
  /** How it ended; undefined while it runs. */
  readonly exit: PtyExit | undefined;
  /** Descriptors that the shell may close. */
  readonly spareDescriptors: readonly number[];
  /** Types text at the terminal. */
  write(text: string): void;
  pause(): void;
  resume(): void;
  /**
   * What has the terminal, and what it waits for; undefined where nobody can look. `shell` is the pid of the shell as the shell itself
   * sees it, undefined while it has not told. Never rejects.
   */
  look(shell: number | undefined): Look | Promise<Look>;
  /** Whether the shell itself has the terminal; undefined where nobody can tell. */
  readonly leadsForeground: boolean | undefined;
  hangUp(group: number): void;
  /** Resolves when all that it printed has been given out. */
  drain(): Promise<void>;
  /** Ends it and everything that it started, TERM before KILL. Resolves with what could not be ended. Safe twice; again: sooner. */
  stop(graceMs: number): Promise<readonly { pid: number }[]>;
}
