import { setTimeout as delay } from 'node:timers/promises';
import { lookerScript } from './looker-script.ts';
import type { Look } from './session-process.ts';

/** A process beside the shell that runs `lookerCommand`, with pipes instead of a terminal. */
export interface LookerChannel {
  /** Gives text to its standard input. */
  write(text: string): void;
  /** Ends its input, or the process. */
  close(): void;
}

export type OpenLooker = (handlers: {
  /** Its standard output. */
  onData: (bytes: Buffer) => void;
  /** It has ended, or nobody hears it any more. */
  onEnd: () => void;
}) => LookerChannel | Promise<LookerChannel>;

/**
 * What a looker runs in the place of the shell. The script comes through standard input, so nothing of it is in a process list; in its
 * posix mode bash reads no file of the user's (`BASH_ENV`).
 */
export const lookerCommand: readonly string[] = ['bash', '--posix', '--norc', '-s'];

/** How long an answer may take, milliseconds. */
const patienceMs = 5000;
/** A looker may be refused its rights, and be opened anew with others. */
const maxAttempts = 3;
/** Between two questions who is left, milliseconds. */
const pauseMs = 50;

/**
 * The eyes and hands of a session whose shell is not on this machine: a second process in the same container, which is asked what `/proc`
 * shows there. It is opened when it is first needed, and again when it is lost; whatever fails means that nobody can look.
 */
export class ShellLooker {
  readonly #open: OpenLooker;
  #channel: Promise<LookerChannel | undefined> | undefined;
  readonly #waiting = new Map<number, (answer: string | undefined) => void>();
  #asked = 0;
  #isClosed = false;

  constructor(open: OpenLooker) {
    this.#open = open;
  }

  /** As `SessionProcess` has it. */
  async look(shell: number | undefined): Promise<Look> {
    const answer = await this.#ask('look', shell ?? '-');
    if (answer === undefined) return undefined;
    const [kind, group, isLeader, work] = answer.split(' ');
    if (kind === 'reading') return { kind, group: Number(group), isLeader: isLeader === '1', work: Number(work) };
    return kind === 'prompt' || kind === 'busy' ? { kind } : undefined;
  }

  hangUp(group: number): void {
    void this.#ask('hangup', group);
  }

  /**
   * Tells all processes of the place but the first, the shell and the looker to end, with the shell stopped, so that it does not
   * go on with the next command. Resolves with those that are left when they are gone, after `graceMs`, or when `hurry` is aborted.
   */
  async endOthers(shell: number | undefined, graceMs: number, hurry?: AbortSignal): Promise<number[]> {
    const deadline = Date.now() + graceMs;
    let told: string | undefined;
    for (let attempt = 0; told === undefined; attempt += 1) {
      if (attempt === maxAttempts || hurry?.aborted === true) return [];
      told = await this.#ask('end', shell ?? '-');
    }
    for (;;) {
      const answer = await this.#ask('left', shell ?? '-');
      const left = (answer ?? '').split(' ').slice(1).filter(Boolean).map(Number);
      if (left.length === 0 || hurry?.aborted === true || Date.now() >= deadline) return left;
      await delay(pauseMs);
    }
  }

  /** Asks nothing more. */
  close(): void {
    this.#isClosed = true;
    void this.#channel?.then((channel) => channel?.close());
    this.#forget();
  }

  async #ask(word: string, argument: string | number): Promise<string | undefined> {
    if (this.#isClosed) return undefined;
    this.#channel ??= this.#openChannel();
    const channel = await this.#channel;
    if (!channel) {
      this.#channel = undefined;
      return undefined;
    }
    this.#asked += 1;
    const number = this.#asked;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(number, undefined), patienceMs);
      timer.unref();
      this.#waiting.set(number, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      channel.write(`${word} ${number} ${argument}\n`);
    });
  }

  async #openChannel(): Promise<LookerChannel | undefined> {
    let rest = '';
    try {
      const channel = await this.#open({
        onData: (bytes) => {
          const lines = (rest + bytes.toString('latin1')).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) this.#answer(line);
        },
        onEnd: () => this.#forget(),
      });
      channel.write(lookerScript);
      return channel;
    } catch {
      return undefined;
    }
  }

  #answer(line: string): void {
    const [, number = '', text = ''] = /^(\d+) (.*)$/.exec(line.trimEnd()) ?? [];
    this.#settle(Number(number), text);
  }

  #settle(number: number, answer: string | undefined): void {
    const resolve = this.#waiting.get(number);
    this.#waiting.delete(number);
    resolve?.(answer);
  }

  #forget(): void {
    this.#channel = undefined;
    for (const number of this.#waiting.keys()) this.#settle(number, undefined);
  }
}
