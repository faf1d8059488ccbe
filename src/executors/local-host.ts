import { readSync } from 'node:fs';
import {
  captureProcess,
  runProcess,
  type CaptureResult,
  type JobDirectory,
  type ProcessResult,
} from '../execution/index.ts';
import type { Commit, Step, TaskHost } from '../tasks/types.ts';

/** How much of a step's output is looked at when nothing else is asked for, bytes. */
const tailBytes = 16 * 1024;

export interface LocalHostOptions {
  directory: JobDirectory;
  /** Aborted when the task is to stop. */
  signal: AbortSignal;
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
  const { directory, signal } = options;
  const ranges = new Map<string, Range>();
  return {
    signal,
    run: async (step) => {
      const range: Range = { start: directory.logSize, end: undefined };
      ranges.set(step.key, range);
      const result = await runStep(step, directory, signal);
      range.end = directory.logSize;
      return result;
    },
    capture: (step): Promise<CaptureResult> => captureProcess(step, { tag: directory.tag, signal }),
    tail: (key, bytes = tailBytes) => Promise.resolve(readTail(directory, ranges.get(key), bytes)),
    log: (line) => directory.appendLine(line),
    addSecret: options.addSecret,
    setStatus: options.setStatus,
    waitForDecision: options.waitForDecision,
    setCommit: options.setCommit,
  };
}

async function runStep(step: Step, directory: JobDirectory, signal: AbortSignal): Promise<ProcessResult> {
  const { key } = step;
  const { index, exitFile } = directory.nextStep();
  const result = await runProcess(step, {
    logFd: directory.logFd,
    exitFile,
    tag: directory.tag,
    signal,
    onStart: (pid, startTime) => directory.record({ type: 'step-started', key, index, pid, startTime }),
  });
  directory.record({ type: 'step-ended', key, index, result });
  return result;
}

function readTail(directory: JobDirectory, range: Range | undefined, bytes: number): string {
  if (!range) return '';
  const end = range.end ?? directory.logSize;
  const start = Math.max(range.start, end - bytes);
  const buffer = Buffer.alloc(end - start);
  const length = readSync(directory.logFd, buffer, 0, buffer.length, start);
  return buffer.toString('utf8', 0, length);
}
