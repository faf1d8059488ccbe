/**
 * The words of this room. A **runner** polls a server and takes **tasks**; what a task runs is its **template**; the tool
 * that a template uses is its **app** (ansible, bash, …). A task is a few **steps**, each one process; an **executor** is
 * the place where steps run (this host, a container, a pod). Executors and tasks know each other through this file only.
 */
import type { CaptureResult, ProcessResult, ProcessSpec } from '../execution/index.ts';
import type { TaskStatus } from '../protocol/ui/index.ts';

/** Part of a task that a step belongs to; named in the line that explains a failure. */
export type Phase = 'prepare' | 'clone' | 'inventory' | 'requirements' | 'run' | 'outputs';

export interface Step extends ProcessSpec {
  /** Unique within the task and the same on every replay, for example `clone`, `run`, `apply`. */
  key: string;
  phase: Phase;
}

export interface Commit {
  hash: string;
  /** First line, at most 100 characters (spec 3.6). */
  message: string;
}

/** What a user says to a task that waits for it (spec 5.1). */
export type Decision = 'confirmed' | 'rejected';

/** What an executor offers to the task that runs on it. */
export interface TaskHost {
  /** Aborted when the task is to stop; every wait and every process of the task ends on it. */
  readonly signal: AbortSignal;
  /** Runs one process; its output goes to the task's log. */
  run(step: Step): Promise<ProcessResult>;
  /** Runs one short process whose standard output is the result and not part of the log; standard error comes back too. */
  capture(step: Step): Promise<CaptureResult>;
  /**
   * Runs a short process as `capture` does, but beside the record: on a replay it runs again. For what the task needs around
   * its steps, and what may have ended with the earlier process.
   */
  assist(spec: ProcessSpec): Promise<CaptureResult>;
  /**
   * The last bytes (at most `bytes`, 16 KiB when left out; as text, not masked) that the latest run of the step with this key
   * wrote to the log, or has written so far; "" when it wrote nothing.
   */
  tail(key: string, bytes?: number): Promise<string>;
  /** Appends a line of the runner itself to the task's log. */
  log(line: string): void;
  /** Registers text that must not appear in the log. */
  addSecret(value: string): void;
  setStatus(status: TaskStatus): void;
  /**
   * Sets `waiting_confirmation` and resolves with what a user decides; the status is then what they decided, until the task
   * sets another one. Rejects when `signal` is aborted.
   */
  waitForDecision(): Promise<Decision>;
  setCommit(commit: Commit): void;
  /**
   * Does `work` once in the life of the task, also when the runner is killed and another process takes the task up: what it
   * resolved with is recorded, encrypted, and given back when the task is played again. For everything that must not be done
   * twice, or that a running step depends on: paths, ports, random names. `key` is unique within the task and the same on every
   * replay; the value must survive JSON.
   */
  once<Value>(key: string, work: () => Promise<Value>): Promise<Value>;
  /** True when an earlier process began this task and this one plays it again up to where that one was (architecture, decision 1). */
  readonly resumed: boolean;
  /** True when the step with this key was running when the earlier process ended. */
  wasInterrupted(key: string): boolean;
}

/** How a task ended, before it becomes a status. */
export type TaskOutcome =
  /** `outputs` is the document of a workflow task (spec 5.13), JSON as text. */
  | { kind: 'success'; outputs?: string | undefined }
  | { kind: 'stopped' }
  /** `reason` is one line for the end of the log: phase, cause, hint. */
  | { kind: 'failed'; reason: string };
