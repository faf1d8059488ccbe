import { readSync } from 'node:fs';
import type { DoneInside, JobDirectory, ProcessResult } from '../execution/index.ts';

/** What was written after the last event is looked at up to here; it is a few lines of our own. Bytes. */
const maxGapBytes = 64 * 1024;

/** One run of a step, as recorded. */
export interface RecordedStep {
  index: number;
  pid: number | undefined;
  startTime: string | undefined;
  /** Undefined when it was running, or about to be started, when the record ends. */
  result: ProcessResult | undefined;
  /** Where its output is in the log; the end is missing with the result. */
  logStart: number;
  logEnd: number | undefined;
}

/**
 * What an earlier process recorded of a task, for playing the task again up to where that one was. Steps with the same key
 * are told apart by their order.
 */
export class TaskRecord {
  readonly #steps = new Map<string, RecordedStep[]>();
  readonly #values: Map<string, unknown>;
  readonly #inside = new Map<string, DoneInside>();
  /** Lines of our own in the log up to the last event. */
  readonly lines: number;
  #gap: string;

  constructor(directory: JobDirectory) {
    const events = directory.events();
    const open = new Map<number, RecordedStep>();
    for (const event of events) {
      if (event.type === 'once' && event.inside) this.#inside.set(event.key, event.inside);
      if (event.type === 'step-starting') {
        const { index, logSize: logStart } = event;
        const step = { index, pid: undefined, startTime: undefined, result: undefined, logStart, logEnd: undefined };
        open.set(index, step);
        // One that was never started counts with the one that was, later: it was asked for once.
        const before = this.#steps.get(event.key)?.filter(({ result }) => result !== undefined) ?? [];
        this.#steps.set(event.key, [...before, step]);
      } else if (event.type === 'step-started') {
        Object.assign(open.get(event.index) ?? {}, { pid: event.pid, startTime: event.startTime });
      } else if (event.type === 'step-ended') {
        Object.assign(open.get(event.index) ?? {}, { result: event.result, logEnd: event.logSize });
      }
    }
    const last = events.at(-1);
    this.lines = last?.lines ?? 0;
    this.#values = directory.readOnce();
    this.#gap = readGap(directory, last?.logSize ?? 0);
  }

  /** Run number `turn` (from 0) of the step. */
  step(key: string, turn: number): RecordedStep | undefined {
    return this.#steps.get(key)?.[turn];
  }

  wasInterrupted(key: string): boolean {
    return this.#steps.get(key)?.some(({ result }) => result === undefined) ?? false;
  }

  hasValue(key: string): boolean {
    return this.#values.has(key);
  }

  /** What was recorded under `key`, by the same code that asks for it now. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- whoever asks says what was recorded
  value<Value>(key: string): Value {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it was a Value when it was recorded
    return this.#values.get(key) as Value;
  }

  /** What was done inside the work for the value under `key`. */
  inside(key: string): DoneInside {
    return this.#inside.get(key) ?? { turns: [], lines: 0 };
  }

  /** Whether our line number `ordinal` (from 0) is in the log. One past the last event is looked for in what follows it. */
  hasLine(ordinal: number, text: string): 'before' | 'after' | undefined {
    if (ordinal < this.lines) return 'before';
    const found = `\n${this.#gap}`.indexOf(`\n${text}\n`);
    if (found === -1) return undefined;
    this.#gap = this.#gap.slice(found + text.length + 1);
    return 'after';
  }
}

function readGap(directory: JobDirectory, start: number): string {
  const buffer = Buffer.alloc(Math.min(maxGapBytes, Math.max(0, directory.logSize - start)));
  const length = readSync(directory.logFd, buffer, 0, buffer.length, start);
  return buffer.toString('utf8', 0, length);
}
