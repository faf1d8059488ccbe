import { captureProcess, runProcess, type CaptureResult, type JobDirectory, type ProcessResult } from '../execution/index.ts';
import type { Commit, Step, TaskHost } from '../tasks/types.ts';

export interface LocalHostOptions {
  directory: JobDirectory;
  /** Aborted when the task is to stop. */
  signal: AbortSignal;
  addSecret: (value: string) => void;
  setStatus: TaskHost['setStatus'];
  setCommit: (commit: Commit) => void;
}

/** Runs the steps of one task as processes of this machine, with the job directory as their log and their record. */
export function createLocalHost(options: LocalHostOptions): TaskHost {
  const { directory, signal } = options;
  return {
    signal,
    run: (step) => runStep(step, directory, signal),
    capture: (step): Promise<CaptureResult> => captureProcess(step, { tag: directory.tag, signal }),
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
