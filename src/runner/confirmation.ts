import type { TaskStatus } from '../protocol/ui/index.ts';
import type { Decision } from '../tasks/index.ts';

/** What an earlier process has left of a question: it is open, was answered and the answer not used, or is past. */
export type EarlierQuestion = 'open' | Decision | 'past';

/**
 * The wait of one task for its user (spec 5.8). A task may ask more than once, and the server's copy of its status lags
 * behind: an answer that was on its way may repeat the decision about the question before, and must not be taken for one
 * about a question that nobody has seen. So a second question is put only when the server has been seen to know that the
 * task went on after the first.
 *
 *     idle ──wait()──▶ asking ──decide()──▶ decided ──server says running──▶ idle
 *                                              └──wait()──▶ (waits for that, then) asking
 *
 * A question of an earlier process is gone on with: while the task is played again up to it, the answer may come already.
 */
export class Confirmation {
  readonly #signal: AbortSignal;
  readonly #ask: () => void;
  #state: 'idle' | 'asking' | 'decided' = 'idle';
  #onCaughtUp: (() => void) | undefined;
  #onDecision: ((decision: Decision) => void) | undefined;
  /** It came before the task had been played again up to the question. */
  #early: Decision | undefined;

  /** `ask` sets `waiting_confirmation`; the task ends when `signal` is aborted. */
  constructor(signal: AbortSignal, ask: () => void) {
    this.#signal = signal;
    this.#ask = ask;
  }

  /** Goes on where an earlier process was. To be called before anything else. */
  resume(earlier: EarlierQuestion): void {
    this.#state = earlier === 'open' ? 'asking' : 'decided';
    if (earlier === 'confirmed' || earlier === 'rejected') this.#early = earlier;
  }

  /** The task goes on without asking what an earlier process asked: an answer to that is none to another question. */
  withdraw(): void {
    this.#early = undefined;
    if (this.#state === 'asking') this.#state = 'decided';
  }

  /** Rejects with the signal's reason when the task is to stop. One at a time. */
  async wait(): Promise<Decision> {
    this.#signal.throwIfAborted();
    const early = this.#early;
    this.#early = undefined;
    if (early !== undefined) return early;
    if (this.#state === 'decided') await this.#until<void>((resolve) => (this.#onCaughtUp = resolve));
    this.#signal.throwIfAborted();
    const decision = this.#until<Decision>((resolve) => (this.#onDecision = resolve));
    if (this.#state !== 'asking') {
      this.#state = 'asking';
      this.#ask();
    }
    return decision;
  }

  /** The server's status of the task, with every answer that mentions it. */
  seen(status: TaskStatus): void {
    if (this.#state !== 'decided' || status !== 'running') return;
    this.#state = 'idle';
    this.#onCaughtUp?.();
  }

  decide(decision: Decision): void {
    if (this.#state !== 'asking') return;
    this.#state = 'decided';
    if (this.#onDecision) this.#onDecision(decision);
    else this.#early = decision;
    this.#onDecision = undefined;
  }

  async #until<Value>(start: (resolve: (value: Value) => void) => void): Promise<Value> {
    const signal = this.#signal;
    signal.throwIfAborted();
    let stop: (() => void) | undefined;
    try {
      return await new Promise<Value>((resolve, reject) => {
        stop = () => reject(signal.reason);
        signal.addEventListener('abort', stop, { once: true });
        start(resolve);
      });
    } finally {
      if (stop) signal.removeEventListener('abort', stop);
    }
  }
}
