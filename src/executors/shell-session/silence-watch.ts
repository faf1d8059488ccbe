import type { Foreground } from '../../execution/index.ts';
import type { Look } from './session-process.ts';

/** Between two looks, milliseconds: the first after so much silence, then more and more rarely. */
const usualFirstLookMs = 250;
const rarestLookMs = 5000;
/** A process that reads the terminal gets its end after so much silence, milliseconds. */
const readPatienceMs = 1500;
/** A process that goes on reading after so many ends loses its terminal. */
const maxEnds = 5;
/** Where nobody can look, something is done all the same after so much silence, milliseconds; then after twice as much, and so on. */
const usualBlindMs = 15_000;

interface SilenceWatchActions {
  look: () => Look | Promise<Look>;
  /** The shell itself waits at its prompt, with nothing to read: what was typed is lost, or the hint of its prompt is. */
  atPrompt: () => void;
  /** Types the terminal's end of file. */
  endInput: (state: { isShell: boolean; times: number }) => void;
  hangUp: (group: number) => void;
  /** Nobody can look, and it has been silent for long: it may be any of these. */
  blind: () => void;
}

export interface SilenceWatchOptions extends SilenceWatchActions {
  /** Milliseconds of silence until the first look, and between looks that matter. @default 250 */
  firstLookMs?: number;
  /** @default 15_000 */
  blindMs?: number | undefined;
}

/**
 * Looks after a command that is silent: is the shell back at its prompt without our having seen it, or does somebody wait for keys that
 * nobody will press? Only what two looks in a row show is believed, with no processor time used between them.
 *
 * A `read` of the shell itself looks like the prompt of a shell without line editor. So it gets the end of the input first, which its
 * prompt ignores (`IGNOREEOF`); at every second time it is taken for a prompt.
 *
 * Where nobody can look, time has to do: what is typed then is little, and more and more rarely, because it may stay in the terminal's
 * queue until the command has ended.
 */
export class SilenceWatch {
  readonly #actions: SilenceWatchActions;
  #timer: NodeJS.Timeout | undefined;
  readonly #firstLookMs: number;
  #pauseMs: number;
  #quietSince = performance.now();
  #last = '';
  #reader = 0;
  #ends = 0;
  #stirs = 0;
  #blindMs: number;

  constructor(options: SilenceWatchOptions) {
    this.#actions = options;
    this.#firstLookMs = options.firstLookMs ?? usualFirstLookMs;
    this.#pauseMs = this.#firstLookMs;
    this.#blindMs = options.blindMs ?? usualBlindMs;
    this.#again();
  }

  /** Something has come, or was typed. */
  stir(): void {
    this.#quietSince = performance.now();
    this.#last = '';
    this.#pauseMs = this.#firstLookMs;
    this.#stirs += 1;
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #again(): void {
    this.#timer = setTimeout(() => void this.#look(), this.#pauseMs);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const quietMs = performance.now() - this.#quietSince;
    if (quietMs >= this.#firstLookMs - 1) {
      const stirs = this.#stirs;
      const seen = await this.#actions.look();
      // What was seen before something has come means nothing any more.
      if (this.#timer && stirs === this.#stirs) this.#consider(seen, quietMs);
    }
    if (this.#timer) this.#again();
  }

  #consider(seen: Look, quietMs: number): void {
    const shown = JSON.stringify(seen) ?? '';
    if (seen && shown === this.#last) this.#act(seen, quietMs);
    else this.#last = shown;
    // Whoever reads may be helped soon; nothing else is urgent.
    this.#pauseMs = seen?.kind === 'busy' || !seen ? Math.min(this.#pauseMs * 2, rarestLookMs) : this.#firstLookMs;
    if (seen || quietMs < this.#blindMs) return;
    this.#blindMs *= 2;
    this.#actions.blind();
  }

  #act(seen: Foreground, quietMs: number): void {
    if (seen.kind === 'prompt') {
      this.stir();
      this.#actions.atPrompt();
    } else if (seen.kind === 'reading' && quietMs >= readPatienceMs) {
      this.stir();
      this.#endInput(seen.group, seen.isLeader);
    }
  }

  #endInput(group: number, isShell: boolean): void {
    this.#ends = group === this.#reader ? this.#ends + 1 : 1;
    this.#reader = group;
    if (isShell && this.#ends % 2 === 0) this.#actions.atPrompt();
    else if (!isShell && this.#ends > maxEnds) this.#actions.hangUp(group);
    else this.#actions.endInput({ isShell, times: this.#ends });
  }
}
