import type { Logger } from '../../telemetry/index.ts';
import type { Mark } from './mark-reader.ts';
import { OutputChunks, type OutputConsumer } from './output-chunks.ts';
import type { Look } from './session-process.ts';
import { SilenceWatch } from './silence-watch.ts';
import { endLine, makeNumber, startLine } from './wording.ts';

/** What a command needs of its session. */
export interface SessionTerminal {
  type: (line: string) => void;
  look: () => Look | Promise<Look>;
  /** Whether the shell itself has the terminal; undefined when the system does not tell. */
  leadsForeground: () => boolean | undefined;
  hangUp: (group: number) => void;
  pause: () => void;
  resume: () => void;
  /** Gives out what the reader keeps back for looks only. */
  relax: () => void;
}

export interface RunningCommandOptions {
  /** Number of the session. */
  session: string;
  /** What the shell is to source. */
  operand: string;
  terminal: SessionTerminal;
  consume: OutputConsumer;
  /** What came before, given out as a chunk of its own when the command begins. */
  takeEarlier: () => Buffer | undefined;
  /** Whether the shell tells when it is at its prompt; else it is looked at more often. */
  hasHook: boolean;
  blindMs?: number | undefined;
  log: Pick<Logger, 'info' | 'warn'>;
}

/** The trace of our own `.` is looked for up to here, bytes. */
const maxTraceBytes = 4096;
const traceEnd = Buffer.from('builtin . ', 'latin1');
/** How soon, without hints, the shell is looked at, milliseconds. */
const eagerLookMs = 25;
/** The terminal's end of file, as it is set unless a job changes that. */
const endOfFile = '\u0004';

/**
 * One command in the shell.
 *
 *     typed ──S──▶ running ──P, or seen at its prompt──▶ confirming ──E──▶ done
 *       └───────────────┴────────shell has ended─────────────┴───────────▶ done (1)
 *
 * Seen at its prompt while `typed` or `confirming`: what was typed is lost, and typed again.
 */
export class RunningCommand {
  /** Resolves with the exit code. */
  readonly done: Promise<number>;
  /** True when the shell came to its prompt without telling: somebody has taken the hook away. */
  lostHook = false;
  readonly #options: RunningCommandOptions;
  readonly #chunks: OutputChunks;
  readonly #watch: SilenceWatch;
  readonly #startNonce = makeNumber();
  readonly #endNonces = new Set<string>();
  #phase: 'typed' | 'running' | 'confirming' | 'done' = 'typed';
  /** What `set -x` shows of our own command, as far as it has come. */
  #trace: Buffer | undefined;
  #resolve: (exitCode: number) => void = () => undefined;

  constructor(options: RunningCommandOptions) {
    this.#options = options;
    this.done = new Promise((resolve) => (this.#resolve = resolve));
    const { terminal, consume } = options;
    this.#chunks = new OutputChunks({
      consume,
      pause: terminal.pause,
      resume: terminal.resume,
      onSilence: () => terminal.relax(),
    });
    this.#watch = new SilenceWatch({
      look: terminal.look,
      hangUp: (group) => this.#hangUp(group),
      endInput: (state) => this.#endInput(state),
      atPrompt: () => this.#onPromptSeen(),
      blind: () => this.#onBlind(),
      blindMs: options.blindMs,
      ...(options.hasHook ? {} : { firstLookMs: eagerLookMs }),
    });
    this.#typeStart();
  }

  /** False for what was printed before the command began. */
  data(bytes: Buffer): boolean {
    this.#watch.stir();
    if (this.#phase === 'typed' || this.#phase === 'done') return false;
    if (this.#trace) this.#dropTrace(bytes);
    else this.#chunks.append(bytes);
    return true;
  }

  mark({ kind, nonce, text }: Mark): void {
    this.#watch.stir();
    if (kind === 'S' && nonce === this.#startNonce && this.#phase === 'typed') this.#begin(text);
    else if (kind === 'P' && this.#phase === 'running' && this.#options.terminal.leadsForeground() !== false)
      this.#confirm();
    else if (kind === 'E' && this.#endNonces.has(nonce)) {
      // Asked while blind: the shell is at its prompt and has not seen the command, which was typed before.
      if (this.#phase === 'typed') this.#typeStart();
      else this.#finish(Number(text.split(' ', 1)[0]));
    }
  }

  /** The shell is gone, and all it wrote was handed over. */
  shellEnded(): void {
    this.#finish(1);
  }

  /** Resolves when all output has been taken; rejects when the consumer failed. */
  async delivered(): Promise<void> {
    await this.#chunks.end();
  }

  #typeStart(): void {
    this.#options.terminal.type(startLine(this.#options.session, this.#startNonce, this.#options.operand));
  }

  #begin(flags: string): void {
    this.#phase = 'running';
    // With a third word the trace goes elsewhere.
    if (/^\S*x\S* *$/i.test(flags)) this.#trace = Buffer.alloc(0);
    const earlier = this.#options.takeEarlier();
    if (!earlier) return;
    this.#chunks.append(earlier);
    this.#chunks.flush();
  }

  #confirm(): void {
    this.#phase = 'confirming';
    this.#askForEnd();
  }

  #askForEnd(): void {
    const nonce = makeNumber();
    this.#endNonces.add(nonce);
    this.#options.terminal.type(endLine(this.#options.session, nonce));
  }

  #onPromptSeen(): void {
    if (this.#phase === 'typed') return this.#typeStart();
    this.lostHook ||= this.#phase === 'running';
    this.#confirm();
  }

  #endInput({ isShell, times }: { isShell: boolean; times: number }): void {
    this.#options.log.info('The command waits for input that nobody gives: it gets the end of the input', {
      reader: isShell ? 'the shell itself' : 'a process',
      times,
    });
    this.#options.terminal.type(endOfFile);
  }

  /**
   * The shell may be at its prompt without our knowing: it answers. It may read, or somebody else: it gets the end of its input, and
   * what follows comes to the shell. Or the command goes on: the shell answers when that has ended, in time all the same. What we ask
   * can then be read by the command, which is told the nonce before its end: the one case in which it could forge its end.
   */
  #onBlind(): void {
    this.#options.log.info(
      'The command has been silent for long, and nobody can look what it does: it gets the end of its input',
    );
    // Before the command begins, nobody but the shell can be there.
    if (this.#phase !== 'typed') this.#options.terminal.type(endOfFile);
    this.#askForEnd();
  }

  #hangUp(group: number): void {
    this.#options.log.warn('The command goes on waiting for input: its terminal is taken away', { group });
    this.#options.terminal.hangUp(group);
  }

  #dropTrace(bytes: Buffer): void {
    const all = Buffer.concat([this.#trace ?? Buffer.alloc(0), bytes]);
    const at = all.indexOf(traceEnd);
    const lineEnd = at === -1 ? -1 : all.indexOf(10, at);
    if (lineEnd === -1 && all.length <= maxTraceBytes) {
      this.#trace = all;
      return;
    }
    this.#trace = undefined;
    this.#chunks.append(all.subarray(lineEnd + 1));
  }

  #finish(exitCode: number): void {
    if (this.#phase === 'done') return;
    this.#phase = 'done';
    this.#watch.end();
    // It never came: then it was output after all.
    if (this.#trace) this.#chunks.append(this.#trace);
    this.#resolve(exitCode);
  }
}
