import { readSync } from 'node:fs';
import type {
  CaptureResult,
  JobDirectory,
  JobEvent,
  ProcessResult,
  ProcessSpec,
  StopLadder,
} from '../execution/index.ts';
import { codeOf, messageOf } from '../lib/index.ts';
import type { Commit, Decision, Step, TaskHost } from '../tasks/types.ts';
import { Counts } from './counts.ts';
import { TaskRecord, type RecordedStep } from './task-record.ts';

/** How much of a step's output is looked at when nothing else is asked for, bytes. */
const tailBytes = 16 * 1024;

/** One step that is started, by its number within the task. */
export interface StartedStep {
  index: number;
  /** The process is there: its pid, also the number of its group, and its start time where there is one. */
  onStart: (pid: number, startTime: string | undefined) => void;
}

/** How processes are run where the task runs. Nothing here rejects: whatever happens is a result. */
export interface ProcessPort {
  /** Runs a step, with its output in the log of the job directory, and resolves when it has ended. */
  run(step: Step, started: StartedStep): Promise<ProcessResult>;
  /** Waits for the end of a step that an earlier process began, as if it were ours; undefined when it was never started. */
  takeOver(step: Step, recorded: RecordedStep): Promise<ProcessResult | undefined>;
  /** Runs a short process for what it prints. `isTool`: it is a tool of the task, and gets a tool's umask. */
  capture(spec: ProcessSpec, options: { isTool: boolean }): Promise<CaptureResult>;
  /** Appends a line of ours to the log, after what was written before. */
  appendLine(line: string): void;
  /** The same for a line that may be another one, or none, when the task is played again. */
  appendRemark(line: string): void;
}

export interface RecordedHostOptions {
  directory: JobDirectory;
  /** Aborted when the task is to stop. */
  signal: AbortSignal;
  /** An earlier process began this task: play it again from its record. @default false */
  resumed?: boolean;
  /** It is not played again but ended: only what is said at the end may be in the log already. @default false */
  atEnd?: boolean;
  /** Called once, when a task that is played again is where it was and goes on from there; just before it does. */
  onLive?: () => void;
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

/** A host for one task, with the job directory as its log and its record; `processes` runs what the task starts. */
export function createRecordedHost(options: RecordedHostOptions, processes: ProcessPort): TaskHost {
  return new RecordedHost(options, processes).host;
}

/**
 *     replaying ──first thing that the record does not hold──▶ live
 *
 * While replaying, what is asked for comes from the record, and what is said was said before.
 */
class RecordedHost {
  readonly #options: RecordedHostOptions;
  readonly #processes: ProcessPort;
  readonly #ranges = new Map<string, Range>();
  readonly #counts: Counts;
  #record: TaskRecord | undefined;
  readonly #whole: TaskRecord | undefined;
  /** What the task last said that it is; undefined while it asks its user. */
  #lastStatus: Parameters<TaskHost['setStatus']>[0] | undefined = 'running';

  constructor(options: RecordedHostOptions, processes: ProcessPort) {
    this.#options = options;
    this.#processes = processes;
    this.#whole = options.resumed === true ? new TaskRecord(options.directory) : undefined;
    this.#record = this.#whole;
    this.#counts = new Counts(options.atEnd === true ? (this.#whole?.lines ?? 0) : 0);
  }

  get host(): TaskHost {
    return this.#hostWith(this.#counts);
  }

  /** What is done through this host is counted by `counts`. */
  #hostWith(counts: Counts): TaskHost {
    const { directory, signal, addSecret, resumed = false } = this.#options;
    return {
      signal,
      resumed,
      addSecret,
      run: (step) => this.#run(step, counts),
      capture: (step) => this.#capture(step, counts),
      assist: (spec) => this.#processes.capture(spec, { isTool: false }),
      tail: (key, bytes = tailBytes) => Promise.resolve(readTail(directory, this.#ranges.get(key), bytes)),
      log: (line) => this.#log(line, counts),
      remark: (line) => this.#processes.appendRemark(line),
      setStatus: (status) => this.#setStatus(status),
      waitForDecision: () => this.#decision(counts),
      setCommit: (commit) => this.#options.setCommit(commit),
      once: (key, work) => this.#once(`once ${key}`, counts, work),
      wasInterrupted: (key) => this.#whole?.wasInterrupted(key) ?? false,
    };
  }

  async #run(step: Step, counts: Counts): Promise<ProcessResult> {
    const { directory } = this.#options;
    const turn = counts.turn(step.key);
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

  async #takeOver(step: Step, recorded: RecordedStep): Promise<ProcessResult | undefined> {
    const result = await this.#processes.takeOver(step, recorded);
    const { index } = recorded;
    if (result) this.#options.directory.record({ type: 'step-ended', key: step.key, index, result });
    return result;
  }

  async #start(step: Step): Promise<ProcessResult> {
    const { directory } = this.#options;
    const { key } = step;
    const { index } = directory.nextStep();
    const unrecorded = this.#recordStart(key, index, step.stop);
    if (unrecorded) return unrecorded;
    const result = await this.#processes.run(step, {
      index,
      onStart: (pid, startTime) => directory.record({ type: 'step-started', key, index, pid, startTime }),
    });
    directory.record({ type: 'step-ended', key, index, result });
    return result;
  }

  /** A step that a later process does not know of would be run again by it: what cannot be recorded is not started. */
  #recordStart(key: string, index: number, stop: StopLadder): ProcessResult | undefined {
    const { directory } = this.#options;
    const event: JobEvent = { type: 'step-starting', key, index, stop };
    try {
      directory.recordNow(event);
      return undefined;
    } catch (error: unknown) {
      const message = `its start cannot be noted in ${directory.path} (${messageOf(error)})`;
      const result: ProcessResult = { kind: 'unstartable', code: codeOf(error) ?? 'EUNKNOWN', message };
      directory.record({ type: 'step-ended', key, index, result });
      return result;
    }
  }

  async #capture(step: Step, counts: Counts): Promise<CaptureResult> {
    const key = `capture ${step.key} ${counts.turn(`capture ${step.key}`)}`;
    if (this.#record?.hasValue(key)) return this.#record.value(key);
    this.#goLive();
    const captured = await this.#processes.capture(step, { isTool: true });
    if (captured.result.kind !== 'stopped') this.#options.directory.recordOnce(key, captured);
    return captured;
  }

  async #once<Value>(key: string, counts: Counts, work: (host: TaskHost) => Promise<Value>): Promise<Value> {
    if (this.#record?.hasValue(key)) {
      counts.add(this.#record.inside(key));
      return this.#record.value(key);
    }
    // Not live yet: what the work does may be in the record, step by step.
    const inside = counts.inside();
    const value = await work(this.#hostWith(inside));
    this.#goLive();
    this.#options.directory.recordOnce(key, value, inside.done);
    return value;
  }

  async #decision(counts: Counts): Promise<Decision> {
    const key = `decision ${counts.turn('decision')}`;
    if (this.#record?.hasValue(key)) return this.#record.value(key);
    this.#lastStatus = undefined;
    this.#goLive();
    const decision = await this.#options.waitForDecision();
    this.#options.directory.recordOnce(key, decision);
    return decision;
  }

  #log(line: string, counts: Counts): void {
    const ordinal = counts.line();
    const found = this.#record?.hasLine(ordinal, line);
    if (found === 'after') this.#options.directory.countLine();
    else if (found === undefined) this.#processes.appendLine(line);
  }

  #setStatus(status: Parameters<TaskHost['setStatus']>[0]): void {
    if (this.#record) this.#lastStatus = status;
    else this.#options.setStatus(status);
  }

  #goLive(): void {
    if (!this.#record) return;
    this.#record = undefined;
    this.#options.onLive?.();
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
