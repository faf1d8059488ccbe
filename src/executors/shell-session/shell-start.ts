import type { Logger } from '../../telemetry/index.ts';
import { decodeOutput } from './decode-output.ts';
import type { Mark } from './mark-reader.ts';
import type { SessionTerminal } from './running-command.ts';
import { SilenceWatch } from './silence-watch.ts';
import { setUpLine } from './wording.ts';

export type StartResult = { kind: 'ready' } | { kind: 'failed'; reason: string };

export interface ShellStartOptions {
  session: string;
  /** The shell closes these. */
  spareDescriptors: readonly number[];
  terminal: SessionTerminal;
  timeoutMs: number;
  /** A line like one of these ends the start. */
  failures: readonly RegExp[];
  blindMs?: number | undefined;
  log: Pick<Logger, 'info' | 'warn'>;
}

/** Of what the shell says before it is ready, the end is kept for the message when it never is, characters. */
const maxGreeting = 16 * 1024;
const endOfFile = '\u0004';

/**
 * Sets up a shell that was just started. What to do is typed at once: a profile that does not read the terminal leaves it to
 * the first prompt. One that reads gets the line as its answer, and after some silence the end of its input; when the shell is then seen
 * at its prompt, the line is typed again. What is printed meanwhile is no output.
 */
export class ShellStart {
  readonly result: Promise<StartResult>;
  readonly #options: ShellStartOptions;
  readonly #watch: SilenceWatch;
  readonly #timer: NodeJS.Timeout;
  #greeting = '';
  #resolve: (result: StartResult) => void = () => undefined;

  constructor(options: ShellStartOptions) {
    this.#options = options;
    const { terminal, timeoutMs } = options;
    this.result = new Promise((resolve) => (this.#resolve = resolve));
    this.#timer = setTimeout(() => this.fail(`no prompt within ${timeoutMs / 1000} seconds`), timeoutMs);
    this.#watch = new SilenceWatch({
      look: terminal.look,
      atPrompt: () => this.#setUp(),
      endInput: () => {
        options.log.info(
          'The profile of the login shell waits for input that nobody gives: it gets the end of the input',
        );
        terminal.type(endOfFile);
      },
      hangUp: (group) => terminal.hangUp(group),
      blind: () => {
        terminal.type(endOfFile);
        this.#setUp();
      },
      blindMs: options.blindMs,
    });
    this.#setUp();
  }

  data(bytes: Buffer): void {
    this.#watch.stir();
    this.#greeting = (this.#greeting + bytes.toString('latin1')).slice(-maxGreeting);
    const { failures } = this.#options;
    if (failures.length === 0) return;
    const line = this.#lines().find((text) => failures.some((failure) => failure.test(text)));
    if (line !== undefined) this.#settle({ kind: 'failed', reason: line });
  }

  mark({ kind, text }: Mark): void {
    this.#watch.stir();
    if (kind !== 'R') return;
    if (text !== '') this.#settle({ kind: 'ready' });
    else this.fail('a profile has replaced bash by another shell');
  }

  /** Why it will not become ready; what the shell said last is added. */
  fail(reason: string): void {
    const last = this.#lines().at(-1);
    this.#settle({ kind: 'failed', reason: last === undefined ? reason : `${reason}; it said last: ${last}` });
  }

  #setUp(): void {
    this.#options.terminal.type(setUpLine(this.#options.session, this.#options.spareDescriptors));
  }

  #lines(): string[] {
    const text = decodeOutput(Buffer.from(this.#greeting, 'latin1'));
    return text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  }

  #settle(result: StartResult): void {
    clearTimeout(this.#timer);
    this.#watch.end();
    this.#resolve(result);
  }
}
