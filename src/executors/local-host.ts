import { captureProcess, runProcess, takeOverProcess, type TaskProcesses } from '../execution/index.ts';
import type { TaskHost } from '../tasks/types.ts';
import { createRecordedHost, type ProcessPort, type RecordedHostOptions } from './recorded-host.ts';

export interface LocalHostOptions extends RecordedHostOptions {
  /** What the steps start. */
  processes: TaskProcesses;
}

/** Runs the steps of one task as processes of this machine, with the job directory as their log and their record. */
export function createLocalHost(options: LocalHostOptions): TaskHost {
  return createRecordedHost(options, localProcesses(options));
}

function localProcesses({ directory, processes, signal }: LocalHostOptions): ProcessPort {
  processes.cgroup?.expectEntry();
  return {
    run: (step, { index, onStart }) => {
      const exitFile = directory.exitFile(index);
      return runProcess(step, { logFd: directory.logFd, exitFile, processes, signal, onStart });
    },
    takeOver: ({ stop }, { index, pid, startTime }) =>
      takeOverProcess({ exitFile: directory.exitFile(index), pid, startTime, processes, stop, signal }),
    capture: (spec, { isTool }) => {
      // It prepares a step.
      processes.cgroup?.expectEntry();
      return captureProcess(spec, { tag: directory.tag, signal, isTool });
    },
    appendLine: (line) => directory.appendLine(line),
    appendRemark: (line) => directory.appendRemark(line),
  };
}
