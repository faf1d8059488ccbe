import type { TaskHost } from '../../tasks/types.ts';
import { createRecordedHost, type RecordedHostOptions } from '../recorded-host.ts';
import { ContainerProcesses } from './container-processes.ts';
import type { TaskContainers } from './engine.ts';

export interface ContainerHostOptions extends RecordedHostOptions {
  /** Need not be there before the first process of the task is to run. */
  containers: TaskContainers;
}

/**
 * Runs the steps of one task in its containers, with the job directory as their log and their record, as for tasks on this machine. The
 * steps live on without the runner; the next one finds them there and goes on reading where the one before was.
 */
export function createContainerHost(options: ContainerHostOptions): TaskHost {
  return createRecordedHost(options, new ContainerProcesses(options));
}
