import { stopRecordedSteps, TaskProcesses, type Cgroups } from '../../execution/index.ts';
import { createLocalHost } from '../../executors/index.ts';
import { messageOf } from '../../lib/index.ts';
import type { OpenPlace } from '../../tasks/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { removeLeftCgroups } from '../task-cgroups.ts';
import { Replay } from './replay.ts';
import type { ExecutorProvider, TaskExecutor, TaskRequest } from './types.ts';

export interface LocalProviderOptions {
  openPlace: OpenPlace;
  /** Undefined where tasks have none. */
  cgroups?: Cgroups | undefined;
  /** Removes the files of a task that an earlier process began and this one has ended. */
  abandon: (taskId: number) => Promise<void>;
  logger: Logger;
}

/** Tasks run as processes of this machine. */
export function localProvider(options: LocalProviderOptions): ExecutorProvider {
  const { cgroups, logger } = options;
  /** Tags of tasks that go on. */
  const known = new Set<string>();
  return {
    kind: 'local',
    start: () => Promise.resolve(),
    note: () => undefined,
    attach: (request) => {
      if (request.beginning !== 'new') known.add(request.directory.tag);
      return attach(options, request);
    },
    sweep: () => removeLeftCgroups(cgroups, known, logger),
    close: () => undefined,
  };
}

function attach({ abandon, cgroups, logger, openPlace }: LocalProviderOptions, request: TaskRequest): TaskExecutor {
  const { beginning, directory, taskId, ...rest } = request;
  const takenOver = beginning !== 'new';
  const processes = new TaskProcesses(directory.tag, { cgroup: cgroups?.task(directory.tag), takenOver });
  const replay = new Replay(beginning, (how) => createLocalHost({ ...rest, ...how, directory, processes }));
  return {
    host: replay.host,
    sayLast: (line) => replay.sayLast(line),
    openPlace,
    stopEarlier: async () => {
      await stopRecordedSteps(directory, processes);
      await abandon(taskId).catch((error: unknown) => {
        logger.error('Cannot remove the files of the task', { task_id: taskId, error: messageOf(error) });
      });
    },
    end: async () => {
      const { hits, left } = await processes.end();
      if (left.length > 0) {
        const pids = left.map(({ pid }) => pid).join(',');
        logger.error('Processes of the task cannot be ended', { task_id: taskId, pids });
      }
      return hits;
    },
    cleanUp: () => Promise.resolve(),
  };
}
