import { jsonText, type Reply, type RequestContext } from '../../http/index.ts';
import { type AccessKey, encodeRunnerState, type JobData } from '../../protocol/ui/index.ts';
import { type Core, timestamp } from '../core.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import type { RunnerRecord, TaskRecord } from '../store/records.ts';
import { prepareJob } from '../tasks/job-data.ts';
import type { TaskBoard } from '../tasks/task-board.ts';
import { startedAt } from './authenticate.ts';

/** Heartbeats are written down this often; in between they are in memory only. */
const persistHeartbeatMs = 30_000;

export interface FetchParts {
  core: Core;
  board: TaskBoard;
  reconciler: Reconciler;
}

/** GET: a runner's heartbeat, and what it shall do (spec 3.5, 8.2). */
export function fetchState(parts: FetchParts, runner: RunnerRecord, context: RequestContext): Reply {
  const { core, reconciler } = parts;
  const clearCache = runner.cleaningRequested !== undefined && (runner.touched ?? '') < runner.cleaningRequested;
  const isNewProcess = heartbeat(core, runner, startedAt(context));
  // Another process than before: what the old one ran is lost, and its places are free.
  if (isNewProcess) reconciler.look();
  core.events.opportunity.emit('runner asks for work');

  const currentJobs: { id: number; status: TaskRecord['status'] }[] = [];
  const newJobs: JobData[] = [];
  const accessKeys = new Map<number, AccessKey>();
  for (const task of core.store.unfinished()) {
    if (task.runnerId !== runner.id) continue;
    if (task.status !== 'waiting' && task.status !== 'starting') {
      currentJobs.push({ id: task.id, status: task.status });
      continue;
    }
    const prepared = prepareJob({
      task,
      catalog: core.catalog,
      secret: core.secrets.get(task.id),
      incomingVersion: task.template.type === 'deploy' ? task.version : undefined,
      taskCount: core.store.countOf(task.templateId),
    });
    if (typeof prepared === 'string') {
      parts.board.end(task.id, 'error', `The task cannot be handed to a runner: ${prepared}`);
      continue;
    }
    newJobs.push(prepared.job);
    parts.board.markDelivered(task.id);
    for (const key of prepared.keys) accessKeys.set(key.id, key);
  }
  return jsonText(
    encodeRunnerState({ currentJobs, newJobs, accessKeys, clearCache, cacheCleanProjectId: runner.projectId }),
  );
}

/** Notes that the runner is there; true when it is another process than the last time. */
function heartbeat(core: Core, runner: RunnerRecord, started: string | undefined): boolean {
  const isNewProcess = started !== undefined && started !== runner.startedAt;
  const last = runner.touched === undefined ? 0 : Date.parse(runner.touched);
  const now = core.clock.now();
  // Rarely enough not to fill the journal, often enough to know after a restart who is there. What matters is always written.
  const transient =
    !isNewProcess &&
    runner.cleaningRequested === undefined &&
    Math.floor(last / persistHeartbeatMs) === Math.floor(now / persistHeartbeatMs);
  const changes = {
    touched: timestamp(core.clock),
    cleaningRequested: undefined,
    ...(started === undefined ? {} : { startedAt: started }),
  };
  try {
    core.store.changeRunner(runner.id, changes, { transient });
  } catch (error: unknown) {
    // A heartbeat that cannot be written down (the disk is full) is still a heartbeat.
    core.store.changeRunner(runner.id, changes, { transient: true });
    core.logger.debug('A heartbeat could not be written down', { context: 'runners', runner_id: runner.id, error });
  }
  return isNewProcess;
}
