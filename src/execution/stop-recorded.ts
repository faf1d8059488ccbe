import type { JobDirectory } from './job-directory.ts';
import { takeOverProcess } from './take-over.ts';
import type { TaskProcesses } from './task-processes.ts';

/** Ends what an earlier process started of a job, each step with its own ladder, and then whatever is left of it. */
export async function stopRecordedSteps(directory: JobDirectory, processes: TaskProcesses): Promise<void> {
  // Of another life of the machine nothing is left, and its process ids are others' by now.
  const events = directory.restarted === undefined ? directory.events() : [];
  const over = new Set(events.flatMap((event) => (event.type === 'step-ended' ? [event.index] : [])));
  const running = events.flatMap((event) => (event.type === 'step-starting' && !over.has(event.index) ? [event] : []));
  const signal = AbortSignal.abort();
  for (const { index, stop } of running) {
    const started = events.find((event) => event.type === 'step-started' && event.index === index);
    const known = started?.type === 'step-started' ? started : { pid: undefined, startTime: undefined };
    const { pid, startTime } = known;
    await takeOverProcess({ exitFile: directory.exitFile(index), pid, startTime, processes, stop, signal });
  }
  processes.kill();
}
