import { PtyProcess, which, type PtyExit, type PtyHandlers, type PtySpec } from '../../execution/index.ts';
import { InternalError, messageOf } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { FileTransport, type CommandTransport } from './command-transport.ts';
import { EarlierOutput } from './earlier-output.ts';
import { MarkReader, type Mark } from './mark-reader.ts';
import type { OutputConsumer } from './output-chunks.ts';
import { RunningCommand, type SessionTerminal } from './running-command.ts';
import type { OpenSessionProcess, SessionProcess } from './session-process.ts';
import { ShellStart, type StartResult } from './shell-start.ts';
import { hookLine, makeNumber, ownLine } from './wording.ts';

/** The shell: a process of this machine, or one of another place. */
export type ShellSessionOptions = SessionSettings & (PtySpec | { open: OpenSessionProcess });

export interface SessionSettings {
  log: Pick<Logger, 'info' | 'warn'>;
  /** @default a file in a private directory */
  transport?: CommandTransport;
  /** How long the shell may take until its first prompt, milliseconds. @default 60_000 */
  startTimeoutMs?: number;
  /** From TERM to KILL when the session is stopped, milliseconds. @default 5_000 */
  stopGraceMs?: number;
  /** A line like this, before the shell is ready, is why it will never be (spec CI 5.6). @default none */
  startFailures?: readonly RegExp[];
  /** Where nobody can look at the shell: after how much silence it is asked all the same, milliseconds. @default 15_000 */
  blindMs?: number;
}

export interface CommandResult {
  /** 1 when the shell has ended, whatever its own exit code was (spec CI 5.7): that is `shellExit`. */
  exitCode: number;
  /** Whole seconds since the epoch. Both are 0 when the command could not be brought to the shell. */
  startedAt: number;
  finishedAt: number;
  /** How the shell itself has ended, if it has. */
  shellExit?: PtyExit;
}

type State = 'new' | 'starting' | 'idle' | 'running' | 'exited' | 'stopped';

/** How long a prompt is waited for before something is typed all the same, milliseconds. */
const promptPatienceMs = 1000;

/**
 * One interactive login shell in a pseudo-terminal, for all commands of a job. Commands are sourced, so that whatever they set, define,
 * change or leave is there for the next, and `return` and `exit` act on the session (spec CI 5.6–5.10).
 *
 *     new ─start▶ starting ──▶ idle ◀──▶ running      any ─stop▶ stopped
 *                    └──────────┴──────────┴─shell ends▶ exited
 *
 * A command, and why it cannot hang or be forged:
 *
 *     we:    … printf S<nonce> …; . <file>           typed when the shell is at its prompt, in one short line
 *     shell:                     S<nonce>            the command begins here
 *     shell:                     (output)
 *     shell:                     P                   a hint, from PROMPT_COMMAND: the shell is about to show its prompt
 *     we:    … printf E<nonce> $?                    a nonce made now
 *     shell:                     E<nonce> 0          the end
 *
 * The end is not part of the line that runs the command, because the shell drops the rest of that line when a child dies from SIGINT.
 * The hint may be forged, as a job can see PROMPT_COMMAND; it only makes us ask, and only while the shell itself has the terminal.
 * The end cannot be forged by printing it, because its nonce is made after the command has come to its end. And it cannot be
 * prevented: where there was no hint, because PROMPT_COMMAND was changed, or where what we typed was lost (a signal empties the
 * terminal's input), SilenceWatch sees in /proc that the shell waits at its prompt, and we ask (again). A line is typed again only
 * then, so no command runs twice. Where nobody can look, we ask after much silence. When the shell ends, its end is the command's.
 *
 * Only short lines are typed, so the limit of 4096 bytes on what is typed ahead is never met; the command's text goes through a
 * file that is this session's alone. Nothing depends on the terminal's settings: marks end in LF with or without CR.
 */
export class ShellSession {
  readonly #options: ShellSessionOptions;
  readonly #session = makeNumber();
  readonly #reader: MarkReader;
  readonly #earlier: EarlierOutput;
  readonly #holds = new Set<'consumer' | 'earlier'>();
  #transport: CommandTransport | undefined;
  #state: State = 'new';
  readonly #stopped = new AbortController();
  #opening: Promise<unknown> | undefined;
  #process: SessionProcess | undefined;
  /** Its pid, as it sees itself. */
  #shell: number | undefined;
  #start: ShellStart | undefined;
  #command: RunningCommand | undefined;
  #hasHook = true;
  #isAtPrompt = false;
  #onPrompt: (() => void) | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: ShellSessionOptions) {
    this.#options = options;
    this.#reader = new MarkReader(this.#session, {
      onData: (bytes) => this.#data(bytes),
      onMark: (mark) => this.#mark(mark),
    });
    this.#earlier = new EarlierOutput({
      // While a command is on its way, its marks must get through.
      onFull: () => this.#isRunning() || this.#hold('earlier'),
    });
  }

  /** True when no command can run: the shell has ended, or was not started. */
  get exited(): boolean {
    return this.#state !== 'idle' && this.#state !== 'running';
  }

  /** Starts the shell, and ends it again when it does not become ready. Throws what its process is opened with throws (UserError). */
  async start(): Promise<StartResult> {
    if (this.#state === 'stopped') return { kind: 'failed', reason: 'it was stopped' };
    if (this.#state !== 'new') throw new InternalError('a shell session is started once');
    const { log, blindMs, startTimeoutMs = 60_000, startFailures = [] } = this.#options;
    const missing = this.#missing();
    if (missing !== undefined) {
      this.#state = 'exited';
      return { kind: 'failed', reason: missing };
    }
    this.#state = 'starting';
    this.#transport = this.#options.transport ?? new FileTransport();
    const process = await this.#open();
    if (this.#isStopped()) return { kind: 'failed', reason: 'it was stopped' };
    this.#start = new ShellStart({
      session: this.#session,
      spareDescriptors: process.spareDescriptors,
      terminal: this.#terminal(),
      timeoutMs: startTimeoutMs,
      failures: startFailures,
      blindMs,
      log,
    });
    // It may have ended already.
    if (process.exit) void this.#onExit(process.exit);
    const result = await this.#start.result;
    this.#start = undefined;
    if (result.kind === 'failed') await this.stop();
    else {
      this.#type(hookLine(this.#session));
      await this.#waitForPrompt();
      this.#hasHook = this.#isAtPrompt;
      if (this.#state === 'starting') this.#state = 'idle';
    }
    return result;
  }

  /** Runs a command. `onOutput` gets its output in texts; when it returns a promise, the command waits for it. */
  run(text: string, { onOutput }: { onOutput: OutputConsumer }): Promise<CommandResult> {
    return this.#run(text, onOutput, true);
  }

  /** Runs a command whose output is not part of any log, and gives what it printed. */
  async evaluate(text: string): Promise<CommandResult & { output: string }> {
    let output = '';
    const result = await this.#run(text, (part) => void (output += part), false);
    return { ...result, output };
  }

  /**
   * Ends the shell and everything that was started in it, TERM before KILL. A command that is running ends with exit code 1. Safe at any
   * moment, and twice; also after the shell has ended, for what it has left. `graceMs` instead of `stopGraceMs` can only hurry it.
   */
  stop(graceMs = Number.POSITIVE_INFINITY): Promise<void> {
    const ms = Math.min(graceMs, this.#options.stopGraceMs ?? 5000);
    if (this.#stopping) void this.#process?.stop(ms);
    this.#stopping ??= this.#stop(ms);
    return this.#stopping;
  }

  async #run(text: string, consume: OutputConsumer, takesEarlier: boolean): Promise<CommandResult> {
    if (this.#state === 'running') throw new InternalError('a shell session runs one command at a time');
    const startedAt = unixSeconds();
    if (this.#state !== 'idle' || !this.#transport) return this.#result(1, startedAt);
    this.#state = 'running';
    this.#release('earlier');
    try {
      const operand = await this.#transport.place(text, (line) => this.#typeAndWait(line));
      await this.#waitForPrompt();
      // It may have ended while we were waiting.
      if (!this.#isRunning()) return this.#result(1, startedAt);
      this.#command = new RunningCommand({
        session: this.#session,
        operand,
        terminal: this.#terminal(),
        consume,
        takeEarlier: () => (takesEarlier ? this.#earlier.take() : undefined),
        hasHook: this.#hasHook,
        blindMs: this.#options.blindMs,
        log: this.#options.log,
      });
    } catch (error: unknown) {
      this.#options.log.warn('A command could not be brought to the shell', { error: messageOf(error) });
      if (this.#isRunning()) this.#state = 'idle';
      return { exitCode: 1, startedAt: 0, finishedAt: 0 };
    }
    return await this.#complete(this.#command, startedAt);
  }

  async #complete(command: RunningCommand, startedAt: number): Promise<CommandResult> {
    const exitCode = await command.done;
    this.#command = undefined;
    if (command.lostHook && this.#hasHook && this.#isRunning()) this.#type(hookLine(this.#session));
    try {
      await command.delivered();
    } finally {
      if (this.#isRunning()) this.#state = 'idle';
    }
    return this.#result(exitCode, startedAt);
  }

  #result(exitCode: number, startedAt: number): CommandResult {
    const shellExit = this.#process?.exit;
    return { exitCode, startedAt, finishedAt: unixSeconds(), ...(shellExit && { shellExit }) };
  }

  /** What of a local command is not there. */
  #missing(): string | undefined {
    if ('open' in this.#options) return undefined;
    const { command, env, cwd } = this.#options;
    const path = env['PATH'] ?? '';
    return which(command, path, cwd).kind === 'missing' ? `${command} was not found in PATH (${path})` : undefined;
  }

  async #open(): Promise<SessionProcess> {
    const handlers: PtyHandlers = {
      onData: (bytes) => this.#reader.push(bytes),
      onExit: (exit) => void this.#onExit(exit),
    };
    const opening = this.#openWith(handlers);
    this.#opening = opening;
    try {
      this.#process = await opening;
      return this.#process;
    } catch (error: unknown) {
      if (!this.#isStopped()) this.#state = 'exited';
      await this.#transport?.remove();
      throw error;
    }
  }

  async #openWith(handlers: PtyHandlers): Promise<SessionProcess> {
    if ('open' in this.#options) return this.#options.open(handlers, this.#stopped.signal);
    const { command, args, cwd, env } = this.#options;
    return new PtyProcess({ command, args, cwd, env }, handlers);
  }

  async #stop(graceMs: number): Promise<void> {
    this.#state = 'stopped';
    this.#start?.fail('it was stopped');
    this.#stopped.abort();
    // A failure is told by `start`.
    await this.#opening?.catch(() => undefined);
    const left = (await this.#process?.stop(graceMs)) ?? [];
    if (left.length > 0) {
      this.#options.log.warn('Processes of the job could not be ended', { pids: left.map(({ pid }) => pid) });
    }
    await this.#transport?.remove();
  }

  async #onExit(exit: PtyExit): Promise<void> {
    await this.#process?.drain();
    this.#reader.finish();
    if (this.#state !== 'stopped') this.#state = 'exited';
    this.#start?.fail(`the shell ended with ${exit.signal ?? `exit code ${exit.code}`}`);
    this.#command?.shellEnded();
    this.#onPrompt?.();
  }

  #data(bytes: Buffer): void {
    if (this.#start) this.#start.data(bytes);
    else if (!this.#command?.data(bytes)) this.#earlier.append(bytes);
  }

  #mark(mark: Mark): void {
    if (mark.kind === 'R') this.#shell = Number(mark.nonce);
    if (!this.#isOfShell(mark)) return;
    if (mark.kind === 'P') {
      this.#isAtPrompt = true;
      this.#onPrompt?.();
    }
    this.#start?.mark(mark);
    this.#command?.mark(mark);
  }

  /** False when another shell at our terminal has answered in its place. */
  #isOfShell({ kind, nonce, text }: Mark): boolean {
    if (kind === 'P') return Number(nonce) === this.#shell;
    return kind !== 'E' || Number(text.split(' ')[1]) === this.#shell;
  }

  #terminal(): SessionTerminal {
    return {
      type: (line) => this.#type(line),
      look: () => this.#process?.look(this.#shell),
      leadsForeground: () => this.#process?.leadsForeground,
      hangUp: (group) => this.#process?.hangUp(group),
      pause: () => this.#hold('consumer'),
      resume: () => this.#release('consumer'),
      relax: () => this.#reader.relax(),
    };
  }

  #type(line: string): void {
    this.#isAtPrompt = false;
    this.#process?.write(line);
  }

  async #typeAndWait(line: string): Promise<void> {
    await this.#waitForPrompt();
    this.#type(ownLine(this.#session, line));
    await this.#waitForPrompt();
  }

  /** Resolves when the shell has told that it is at its prompt, or has ended, or does not tell for a while. */
  async #waitForPrompt(): Promise<void> {
    if (this.#isAtPrompt || !this.#hasHook || this.#process?.exit) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onPrompt = resolve;
      timer = setTimeout(resolve, promptPatienceMs);
    });
    clearTimeout(timer);
    this.#onPrompt = undefined;
  }

  #isStopped(): boolean {
    return this.#state === 'stopped';
  }

  #isRunning(): boolean {
    return this.#state === 'running';
  }

  #hold(who: 'consumer' | 'earlier'): void {
    this.#holds.add(who);
    this.#process?.pause();
  }

  #release(who: 'consumer' | 'earlier'): void {
    if (this.#holds.delete(who) && this.#holds.size === 0) this.#process?.resume();
  }
}

function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
