import { PtyProcess } from '../../execution/index.ts';

export interface RunLinesOptions {
  command: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Gets each line, without its end; the last one also when it has none. */
  onLine: (line: string) => void;
}

/** A longer line is given out in parts, characters. */
const maxLine = 8192;
/** Its output is no terminal: nobody wants progress bars in the log of a job. What it starts is found by the terminal's mark. */
const script = 'set -o pipefail; "$@" 2>&1 </dev/null | cat';

/** A program of the host whose output is shown as it comes, and that can be ended with all that it has started. */
export class RunningLines {
  /** Resolves with its exit code; 1 when it was killed. */
  readonly done: Promise<number>;
  readonly #process: PtyProcess;
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** Throws UserError when there is no pseudo-terminal. */
  constructor({ command, args, env, onLine }: RunLinesOptions) {
    this.#onLine = onLine;
    let ended: (code: number) => void = () => undefined;
    this.done = new Promise((resolve) => (ended = resolve));
    this.#process = new PtyProcess(
      { command: 'bash', args: ['-c', script, 'semaphore-lines', command, ...args], cwd: '/', env },
      {
        onData: (bytes) => this.#text(this.#decoder.decode(bytes, { stream: true })),
        onExit: ({ code }) => void this.#end().then(() => ended(code ?? 1)),
      },
    );
  }

  /** Ends it and what it has started; KILL after `graceMs`. Safe twice, and after the end. */
  async stop(graceMs: number): Promise<void> {
    await this.#process.stop(graceMs);
  }

  async #end(): Promise<void> {
    await this.#process.drain();
    this.#text(this.#decoder.decode());
    if (this.#rest !== '') this.#onLine(this.#rest);
    this.#rest = '';
    await this.#process.stop(0);
  }

  #text(text: string): void {
    const lines = (this.#rest + text).split(/\r*\n/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#onLine(line);
    while (this.#rest.length > maxLine) {
      this.#onLine(this.#rest.slice(0, maxLine));
      this.#rest = this.#rest.slice(maxLine);
    }
  }
}
