import { readSync } from 'node:fs';
import {
  captureProcess,
  runProcess,
  type CaptureResult,
  type JobDirectory,
  type ProcessResult,
} from '../execution/index.ts';
import type { Commit, Step, TaskHost } from '../tasks/types.ts';

/** How much of a step's output may be looked at to explain a failure, bytes. */
const tailBytes = 16 * 1024;

export interface LocalHostOptions {
  directory: JobDirectory;
  /** Aborted when the task is to stop. */
  signal: AbortSignal;
  addSecret: (value: string) => void;
  setStatus: TaskHost['setStatus'];
  setCommit: (commit: Commit) => void;
}

interface Range {
  start: number;
  end: number;
}

/** Runs the steps of one task as processes of this machine, with the job directory as their log and their record. */
export function createLocalHost(options: LocalHostOptions): TaskHost {
  const { directory, signal } = options;
  const ranges = new Map<string, Range>();
  return {
    signal,
    run: async (step) => {
      const start = directory.logSize;
      const result = await runStep(step, directory, signal);
      ranges.set(step.key, { start, end: directory.logSize });
      return result;
    },
    capture: (step): Promise<CaptureResult> => captureProcess(step, { tag: directory.tag, signal }),
    tail: (key) => Promise.resolve(readTail(directory.logFd, ranges.get(key))),
    log: (line) => directory.appendLine(line),
    addSecret: options.addSecret,
    setStatus: options.setStatus,
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

function readTail(fd: number, range: Range | undefined): string {
  if (!range) return '';
  const start = Math.max(range.start, range.end - tailBytes);
  const buffer = Buffer.alloc(range.end - start);
  const length = readSync(fd, buffer, 0, buffer.length, start);
  return buffer.toString('utf8', 0, length);
}
