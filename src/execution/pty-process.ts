import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessStat } from './proc.ts';
import { signalGroup, taskTagVariable } from './process-tree.ts';
import { Pty } from './pty.ts';
import { foregroundGroup, lookAtForeground, type Foreground } from './pty-foreground.ts';
import { markCommand } from './task-mark.ts';
import { TaskProcesses } from './task-processes.ts';
import { umaskCommand } from './tool-umask.ts';

export interface PtySpec {
  /** Looked up in `env.PATH` when it is a bare name; it becomes `argv[0]` as it is. */
  command: string;
  args: readonly string[];
  cwd: string;
  /** Complete: nothing is inherited, and nothing but the tag of the task is added. */
  env: Readonly<Record<string, string>>;
}

export interface PtyExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface PtyHandlers {
  /** The bytes are only there during the call. */
  onData: (bytes: Buffer) => void;
  /** The process has ended. What it wrote last may still be unread: see `drain`. */
  onExit: (exit: PtyExit) => void;
}

/** Between two looks at what is left while stopping, milliseconds. */
const lookMs = 20;
/** What is read after the end of the process: more than the kernel keeps of a terminal's output. */
const drainBytes = 512 * 1024;

/**
 * Opens the terminal as standard input, output and error, which makes it the controlling terminal of the session that the shell
 * leads, and becomes the command. The mark is what finds all that the command leaves behind.
 */
function launchScript(tag: string): string {
  return `${umaskCommand()}${markCommand(tag)}exec "$@" <>"$0" >&0 2>&0`;
}

/**
 * A process as leader of a session with a pseudo-terminal, together with everything it starts.
 *
 *     running ──process ends──▶ exited ──┐
 *        └──────────── stop ─────────────┴─▶ stopped (nothing is left, terminal closed)
 */
export class PtyProcess {
  readonly #pty: Pty;
  readonly #child: ChildProcess;
  readonly #processes: TaskProcesses;
  readonly #exited: Promise<void>;
  /** Descriptors that the process has for no reason; a shell may close them. */
  readonly spareDescriptors: readonly number[];
  #exit: PtyExit | undefined;
  #stopped: Promise<ProcessStat[]> | undefined;
  /** When KILL follows. */
  #deadline = Number.POSITIVE_INFINITY;

  /** Throws UserError when there is no pseudo-terminal. A command that is not there ends at once, with code 127. */
  constructor(spec: PtySpec, handlers: PtyHandlers) {
    this.#processes = new TaskProcesses(randomUUID());
    this.#pty = new Pty((bytes) => handlers.onData(bytes));
    const { tag } = this.#processes;
    const { stdio, covered, close } = Pty.safeStdio();
    this.spareDescriptors = covered;
    const words = ['-c', launchScript(tag), this.#pty.path, spec.command, ...spec.args];
    try {
      this.#child = spawn('/bin/sh', words, {
        cwd: spec.cwd,
        env: { ...spec.env, [taskTagVariable]: tag },
        detached: true,
        stdio,
      });
    } finally {
      close();
    }
    this.#exited = new Promise((resolve) => {
      const ended = (exit: PtyExit): void => {
        if (this.#exit) return;
        this.#exit = exit;
        resolve();
        handlers.onExit(exit);
      };
      // It could not be started at all: no memory, no such directory.
      this.#child.once('error', () => ended({ code: 127, signal: null }));
      this.#child.once('exit', (code, signal) => ended({ code, signal }));
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** How the process ended; undefined while it runs. */
  get exit(): PtyExit | undefined {
    return this.#exit;
  }

  write(text: string): void {
    this.#pty.write(text);
  }

  pause(): void {
    this.#pty.pause();
  }

  resume(): void {
    this.#pty.resume();
  }

  look(): Foreground | undefined {
    return this.pid === undefined ? undefined : lookAtForeground(this.pid, this.#pty.path);
  }

  /** Whether the leader's own group has the terminal; undefined when the system does not tell. */
  get leadsForeground(): boolean | undefined {
    const group = this.pid === undefined ? undefined : foregroundGroup(this.pid);
    return group === undefined ? undefined : group === this.pid;
  }

  /** Hands over what the ended process has written and nobody has read; waits while paused. */
  async drain(): Promise<void> {
    for (let total = 0; total < drainBytes;) {
      const size = this.#pty.readNow(drainBytes - total);
      total += size;
      if (this.#pty.isPaused) await delay(lookMs);
      else if (size === 0) return;
    }
  }

  /** Tells a process group of the session that its terminal is gone. */
  hangUp(group: number): void {
    signalGroup(group, 'SIGHUP');
    signalGroup(group, 'SIGCONT');
  }

  /**
   * Ends everything: TERM for all that the leader started and, when they are gone, HUP for the leader itself, as when its terminal
   * is closed; KILL for whatever is left after `graceMs`. The leader is stopped meanwhile: a shell whose command was ended would go
   * on with the next one. Safe at any moment, and again: with less time left, KILL comes earlier. Resolves with the processes that stay
   * all the same.
   */
  stop(graceMs: number): Promise<ProcessStat[]> {
    this.#deadline = Math.min(this.#deadline, Date.now() + graceMs);
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<ProcessStat[]> {
    const { pid } = this;
    if (pid !== undefined && !this.#exit) this.#signalLeader(pid, 'SIGSTOP');
    const others = (): ProcessStat[] => this.#processes.list().filter((found) => found.pid !== pid);
    let left = others();
    const groups = new Set(left.map(({ group }) => group));
    for (const group of groups) signalGroup(group, 'SIGTERM');
    for (const group of groups) if (group !== pid) signalGroup(group, 'SIGCONT');
    while (left.length > 0 && Date.now() < this.#deadline) {
      await delay(lookMs);
      left = others();
    }
    if (pid !== undefined && !this.#exit && left.length === 0) {
      this.#signalLeader(pid, 'SIGHUP');
      this.#signalLeader(pid, 'SIGCONT');
      while (!this.#exit && Date.now() < this.#deadline) {
        await Promise.race([this.#exited, delay(lookMs, undefined, { ref: false })]);
      }
    }
    const ended = await this.#processes.end();
    if (pid !== undefined && !this.#exit) {
      this.#signalLeader(pid, 'SIGKILL');
      await this.#exited;
    }
    this.#pty.close();
    return ended.left;
  }

  #signalLeader(pid: number, signal: NodeJS.Signals): void {
    // A child of ours that has not been waited for keeps its pid: this cannot meet another process.
    if (!this.#exit) process.kill(pid, signal);
  }
}
