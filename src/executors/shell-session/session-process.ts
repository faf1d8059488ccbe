import type { Foreground, PtyExit } from '../../execution/index.ts';

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
  /** What has the terminal, and what it waits for; undefined where nobody can look. */
  look(): Foreground | undefined;
  /** Whether the shell itself has the terminal; undefined where nobody can tell. */
  readonly leadsForeground: boolean | undefined;
  hangUp(group: number): void;
  /** Resolves when all that it printed has been given out. */
  drain(): Promise<void>;
  /** Ends it and everything that it started, TERM before KILL. Resolves with what could not be ended. Safe twice; again: sooner. */
  stop(graceMs: number): Promise<readonly { pid: number }[]>;
}
