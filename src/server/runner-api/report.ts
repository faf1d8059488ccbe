import { json, noContent, type Reply, type RequestContext } from '../../http/index.ts';
import {
  decodeProgress,
  isFinished,
  isTaskStatus,
  type ProgressJob,
  type TaskStatus,
} from '../../protocol/ui/index.ts';
import type { Core } from '../core.ts';
import type { RunnerRecord, TaskRecord } from '../store/records.ts';
import { checkOutputs } from '../tasks/outputs.ts';
import type { TaskBoard } from '../tasks/task-board.ts';
import { startedAt } from './authenticate.ts';

/** PUT: what became of a runner's tasks (spec 3.6, 8.2). Answered when all of it is stored. */
export async function report(
  core: Core,
  board: TaskBoard,
  runner: RunnerRecord,
  context: RequestContext,
): Promise<Reply> {
  const { jobs } = decodeProgress(await context.body());
  if (jobs === null) return noContent();
  const started = startedAt(context);
  const terminated: number[] = [];
  for (const job of jobs) {
    if (!(await accept(core, board, runner, job, started))) terminated.push(job.id);
  }
  return json(terminated.length > 0 ? { terminated_jobs: terminated } : {});
}

/** Stores the report of one job; false when the runner shall drop the task. One bad job does not spoil the others. */
async function accept(
  core: Core,
  board: TaskBoard,
  runner: RunnerRecord,
  job: ProgressJob,
  runnerStartedAt: string | undefined,
): Promise<boolean> {
  if (!ownTask(core, runner, job.id)) return false;
  await core.logs.append(job.id, job.logRecords);
  // While the records were written, a user may have torn the task away.
  if (!ownTask(core, runner, job.id)) return false;
  const { status, outputs } = judge(core, board, job);
  board.report(job.id, status, { commit: job.commit, outputs, runnerStartedAt });
  return true;
}

function ownTask(core: Core, runner: RunnerRecord, id: number): TaskRecord | undefined {
  const task = core.store.task(id);
  return task && !isFinished(task.status) && task.runnerId === runner.id ? task : undefined;
}

/** The status that counts: none for a word that nobody knows, an error when the outputs of a success are not acceptable. */
function judge(
  core: Core,
  board: TaskBoard,
  job: ProgressJob,
): { status: TaskStatus | undefined; outputs: string | undefined } {
  if (!isTaskStatus(job.status)) {
    // Old runners report "" for a moment when a job begins.
    core.logger[job.status === '' ? 'debug' : 'warn']('A runner reported an unknown status', {
      context: 'runners',
      task_id: job.id,
      status: job.status.slice(0, 40),
    });
    return { status: undefined, outputs: undefined };
  }
  if (job.status !== 'success' || job.outputs === undefined) return { status: job.status, outputs: undefined };
  const mistake = checkOutputs(job.outputs);
  if (mistake === undefined) return { status: 'success', outputs: job.outputs };
  board.note(job.id, `Invalid task outputs reported by the runner: ${mistake}`);
  return { status: 'error', outputs: undefined };
}
