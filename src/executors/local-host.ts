import { readSync } from 'node:fs';
import {
  captureProcess,
  runProcess,
  takeOverProcess,
  type CaptureResult,
  type JobDirectory,
  type JobEvent,
  type ProcessResult,
  type TaskProcesses,
} from '../execution/index.ts';
import { codeOf, messageOf } from '../lib/index.ts';
import type { Commit, Decision, Step, TaskHost } from '../tasks/types.ts';
import { Counts } from './counts.ts';
import { TaskRecord, type RecordedStep } from './task-record.ts';

/** How much of a step's output is looked at when nothing else is asked for, bytes. */
const tailBytes = 16 * 1024;

export interface LocalHostOptions {
  directory: JobDirectory;
  /** What the steps start. */
  processes: TaskProcesses;
  /** Aborted when the task is to stop. */
  signal: AbortSignal;
  /** An earlier process began this task: play it again from its record. @default false */
  resumed?: boolean;
  /** It is not played again but ended: only what is said at the end may be in the log already. @default false */
  atEnd?: boolean;
  addSecret: (value: string) => void;
  setStatus: TaskHost['setStatus'];
  waitForDecision: TaskHost['waitForDecision'];
  setCommit: (commit: Commit) => void;
}

interface Range {
  start: number;
  /** Undefined while the step runs. */
  end: number | undefined;
}

/** Runs the steps of one task as processes of this machine, with the job directory as their log and their record. */
export function createLocalHost(options: LocalHostOptions): TaskHost {
  return new LocalHost(options).host;
}

/**
 *     replaying ──first thing that the record does not hold──▶ live
 *
 * While replaying, what is asked for comes from the record, and what is said was said before.
 */
class LocalHost {
  readonly #options: LocalHostOptions;
  readonly #ranges = new Map<string, Range>();
  readonly #counts: Counts;
  #record: TaskRecord | undefined;
  readonly #whole: TaskRecord | undefined;
  /** What the task last said that it is; undefined while it asks its user. */
  #lastStatus: Parameters<TaskHost['setStatus']>[0] | undefined = 'running';

  constructor(options: LocalHostOptions) {
    this.#options = options;
    this.#whole = options.resumed === true ? new TaskRecord(options.directory) : undefined;
    this.#record = this.#whole;
    this.#counts = new Counts(options.atEnd === true ? (this.#whole?.lines ?? 0) : 0);
  }

  get host(): TaskHost {
    const { directory, signal, addSecret, resumed = false } = this.#options;
    return {
      signal,
      resumed,
      addSecret,
      run: (step) => this.#run(step),
      capture: (step) => this.#capture(step),
      assist: (spec) => captureProcess(spec, { tag: directory.tag, signal }),
      tail: (key, bytes = tailBytes) => Promise.resolve(readTail(directory, this.#ranges.get(key), bytes)),
      log: (line) => this.#log(line),
      setStatus: (status) => this.#setStatus(status),
      waitForDecision: () => this.#decision(),
      setCommit: (commit) => this.#options.setCommit(commit),
      once: (key, work) => this.#once(`once ${key}`, work),
      wasInterrupted: (key) => this.#whole?.wasInterrupted(key) ?? false,
    };
  }

  async #run(step: Step): Promise<ProcessResult> {
    const { directory } = this.#options;
    const turn = this.#counts.turn(step.key);
    const recorded = this.#record?.step(step.key, turn);
    if (recorded?.result) {
      this.#ranges.set(step.key, { start: recorded.logStart, end: recorded.logEnd });
      return recorded.result;
    }
    this.#goLive();
    const range: Range = { start: recorded?.logStart ?? directory.logSize, end: undefined };
    this.#ranges.set(step.key, range);
    const taken = recorded ? await this.#takeOver(step, recorded) : undefined;
    const result = taken ?? (await this.#start(step));
    range.end = directory.logSize;
    return result;
  }

  async #takeOver(step: Step, { index, pid, startTime }: RecordedStep): Promise<ProcessResult | undefined> {
    const { directory, processes, signal } = this.#options;
    const result = await takeOverProcess({
      exitFile: directory.exitFile(index),
      pid,
      startTime,
      processes,
      stop: step.stop,
      signal,
    });
    if (result) directory.record({ type: 'step-ended', key: step.key, index, result });
    return result;
  }

  async #start(step: Step): Promise<ProcessResult> {
    const { directory, processes, signal } = this.#options;
    const { key } = step;
    const { index, exitFile } = directory.nextStep();
    const unrecorded = this.#recordStart({ type: 'step-starting', key, index, stop: step.stop });
    if (unrecorded) return unrecorded;
    const result = await runProcess(step, {
      logFd: directory.logFd,
      exitFile,
      processes,
      signal,
      onStart: (pid, startTime) => directory.record({ type: 'step-started', key, index, pid, startTime }),
    });
    directory.record({ type: 'step-ended', key, index, result });
    return result;
  }

  /** A step that a later process does not know of would be run again by it: what cannot be recorded is not started. */
  #recordStart(event: JobEvent & { type: 'step-starting' }): ProcessResult | undefined {
    const { directory } = this.#options;
    try {
      directory.recordNow(event);
      return undefined;
    } catch (error: unknown) {
      const message = `its start cannot be noted in ${directory.path} (${messageOf(error)})`;
      const result: ProcessResult = { kind: 'unstartable', code: codeOf(error) ?? 'EUNKNOWN', message };
      directory.record({ type: 'step-ended', key: event.key, index: event.index, result });
      return result;
    }
  }

  async #capture(step: Step): Promise<CaptureResult> {
    const { directory, signal } = this.#options;
    const key = `capture ${step.key} ${this.#counts.turn(`capture ${step.key}`)}`;
    if (this.#record?.hasValue(key)) return this.#record.value(key);
    this.#goLive();
    const captured = await captureProcess(step, { tag: directory.tag, signal, isTool: true });
    if (captured.result.kind !== 'stopped') directory.recordOnce(key, captured);
    return captured;
  }

  async #once<Value>(key: string, work: () => Promise<Value>): Promise<Value> {
    if (this.#record?.hasValue(key)) {
      this.#counts.skip(this.#record.inside(key));
      return this.#record.value(key);
    }
    // Not live yet: what the work does may be in the record, step by step.
    const { inside, value } = await this.#counts.during(work);
    this.#goLive();
    this.#options.directory.recordOnce(key, value, inside);
    return value;
  }

  async #decision(): Promise<Decision> {
    const key = `decision ${this.#counts.turn('decision')}`;
    if (this.#record?.hasValue(key)) return this.#record.value(key);
    this.#lastStatus = undefined;
    this.#goLive();
    const decision = await this.#options.waitForDecision();
    this.#options.directory.recordOnce(key, decision);
    return decision;
  }

  #log(line: string): void {
    const { directory } = this.#options;
    const ordinal = this.#counts.line();
    const found = this.#record?.hasLine(ordinal, line);
    if (found === 'after') directory.countLine();
    else if (found === undefined) directory.appendLine(line);
  }

  #setStatus(status: Parameters<TaskHost['setStatus']>[0]): void {
    if (this.#record) this.#lastStatus = status;
    else this.#options.setStatus(status);
  }

  #goLive(): void {
    if (!this.#record) return;
    this.#record = undefined;
    // It may not have come as far as to the record.
    if (this.#lastStatus !== undefined) this.#options.setStatus(this.#lastStatus);
  }
}

function readTail(directory: JobDirectory, range: Range | undefined, bytes: number): string {
  if (!range) return '';
  const end = range.end ?? directory.logSize;
  const start = Math.max(range.start, end - bytes);
  const buffer = Buffer.alloc(end - start);
  const length = readSync(directory.logFd, buffer, 0, buffer.length, start);
  return buffer.toString('utf8', 0, length);
}
