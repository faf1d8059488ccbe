import type { Clock } from '../lib/index.ts';
import type { Phase, TaskHost } from '../tasks/index.ts';

export interface TaskWatchOptions {
  clock: Clock;
  /** From `startedAt` to the time-out; undefined for none. Milliseconds. */
  taskTimeoutMs: number | undefined;
  /** From the last output of a step to the time-out; undefined for none. Milliseconds. */
  noOutputTimeoutMs: number | undefined;
  /** When the task began, also when an earlier process began it; milliseconds since the epoch. */
  startedAt: number;
  /** When the log was last written to, milliseconds since the epoch. */
  lastOutputAt: () => number;
  /** Called once, with what went wrong: the rest of a sentence that begins with the phase. */
  onTimeOut: (cause: string) => void;
}

const ended = new Error('the task has ended');

/** Ends a task that takes too long, or whose tool is silent for too long (`runner.task_timeout_seconds`, …). */
export class TaskWatch {
  readonly #options: TaskWatchOptions;
  readonly #over = new AbortController();
  #phase: Phase = 'prepare';
  /** When the running step began; undefined between steps, and while a user is asked. */
  #stepSince: number | undefined;

  constructor(options: TaskWatchOptions) {
    this.#options = options;
  }

  /** `host`, with its steps watched. */
  watched(host: TaskHost): TaskHost {
    return {
      ...host,
      run: (step) => this.#during(step.phase, () => host.run(step)),
      capture: (step) => this.#during(step.phase, () => host.capture(step)),
      once: (key, work) => host.once(key, (inner) => work(this.watched(inner))),
    };
  }

  /** What the task is doing, or did last. */
  get phase(): Phase {
    return this.#phase;
  }

  start(): void {
    const { noOutputTimeoutMs, startedAt, taskTimeoutMs } = this.#options;
    if (taskTimeoutMs !== undefined) {
      void this.#wait(taskTimeoutMs, () => startedAt, 'ran longer than', 'runner.task_timeout_seconds');
    }
    if (noOutputTimeoutMs !== undefined) {
      void this.#wait(
        noOutputTimeoutMs,
        () => this.#lastSign(),
        'wrote nothing for',
        'runner.no_output_timeout_seconds',
      );
    }
  }

  stop(): void {
    // A reason of our own, because one that Node.js makes has a stack, which costs more than all else here.
    this.#over.abort(ended);
  }

  async #during<Result>(phase: Phase, work: () => Promise<Result>): Promise<Result> {
    this.#phase = phase;
    this.#stepSince = this.#options.clock.now();
    try {
      return await work();
    } finally {
      this.#stepSince = undefined;
    }
  }

  /** When the running step last gave a sign of life; now when there is none that could. */
  #lastSign(): number {
    return this.#stepSince === undefined
      ? this.#options.clock.now()
      : Math.max(this.#stepSince, this.#options.lastOutputAt());
  }

  /** Looks again when the limit could be reached at the earliest: nothing is done for every output. */
  async #wait(limitMs: number, since: () => number, what: string, key: string): Promise<void> {
    const { clock, onTimeOut } = this.#options;
    try {
      for (;;) {
        const left = since() + limitMs - clock.now();
        if (left <= 0) break;
        await clock.sleep(left, this.#over.signal);
      }
    } catch {
      return; // The task has ended.
    }
    if (this.#over.signal.aborted) return;
    this.stop();
    onTimeOut(`it ${what} ${limitMs / 1000} s (${key}).`);
  }
}
