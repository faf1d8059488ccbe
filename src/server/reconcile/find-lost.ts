import type { RunnerRecord, TaskRecord } from '../store/records.ts';

export interface LostInput {
  tasks: Iterable<TaskRecord>;
  runnerOf: (id: number) => RunnerRecord | undefined;
  now: number;
  /** Since when the server has been watching without a break. */
  watchingSince: number;
  offlineTimeoutMs: number;
  taskFailTimeoutMs: number;
  clockSkewMs: number;
  /** 0 is no limit. */
  maxTaskDurationMs: number;
}

export type Finding =
  | { kind: 'requeue'; task: TaskRecord; note: string }
  | { kind: 'error'; task: TaskRecord; note: string }
  | { kind: 'stopped'; task: TaskRecord; note: string };

/** Tasks that will not go on by themselves (spec 8.4): their runner is gone, or their time is up. */
export function findLost(input: LostInput): Finding[] {
  return [...input.tasks].flatMap((task) => {
    if (task.runnerId === undefined) return [];
    const finding = overdue(task, input) ?? lost(task, task.runnerId, input);
    return finding ? [finding] : [];
  });
}

function overdue(task: TaskRecord, { now, maxTaskDurationMs }: LostInput): Finding | undefined {
  if (task.status === 'stopping') {
    const { since, timeoutMs } = task.stopping ?? { since: task.created, timeoutMs: 0 };
    if (now - Date.parse(since) <= timeoutMs) return undefined;
    return {
      kind: 'stopped',
      task,
      note: `Stopped by the server: the runner did not stop the task within ${seconds(timeoutMs)}`,
    };
  }
  if (maxTaskDurationMs === 0 || task.start === undefined || now - Date.parse(task.start) <= maxTaskDurationMs)
    return undefined;
  return { kind: 'error', task, note: `Task timed out after ${seconds(maxTaskDurationMs)}` };
}

function lost(task: TaskRecord, runnerId: number, input: LostInput): Finding | undefined {
  const runner = input.runnerOf(runnerId);
  if (!runner) return loss(task, runnerId, 'the runner was removed');
  const silent = silenceOf(runner, task, input);
  if (hasNotBegun(task)) {
    // A runner with a webhook may have to start up first; it has the longer time.
    const patience = runner.webhook === undefined ? input.offlineTimeoutMs : input.taskFailTimeoutMs;
    return silent > patience ? loss(task, runnerId, `no contact for ${seconds(silent)}`) : undefined;
  }
  if (silent > input.taskFailTimeoutMs) return loss(task, runnerId, `no contact for ${seconds(silent)}`);
  return wasRestarted(runner, task, input.clockSkewMs) ? loss(task, runnerId, 'the runner was restarted') : undefined;
}

/** A task that has not begun goes back to the queue; one that is to stop has stopped; any other has failed. */
function loss(task: TaskRecord, runnerId: number, reason: string): Finding {
  if (hasNotBegun(task)) {
    return { kind: 'requeue', task, note: `Runner #${runnerId} lost the task: ${reason}. Returning task to queue.` };
  }
  return { kind: task.status === 'stopping' ? 'stopped' : 'error', task, note: `Runner lost: ${reason}` };
}

/** An assigned task can even be waiting: a runner may report that of one in its own queue. */
function hasNotBegun({ status }: TaskRecord): boolean {
  return status === 'starting' || status === 'waiting';
}

/** How long nothing was heard of the runner, in milliseconds; time in which nobody listened, or it had no task, does not count. */
function silenceOf(runner: RunnerRecord, task: TaskRecord, { now, watchingSince }: LostInput): number {
  const heard = runner.touched === undefined ? 0 : Date.parse(runner.touched);
  const assigned = task.assigned === undefined ? 0 : Date.parse(task.assigned);
  return now - Math.max(heard, assigned, watchingSince);
}

/**
 * Whether the runner's process is another one than that which ran the task. It is compared with the process that reported the
 * task as running: both times are from the runner's clock. Only where that is not known is the runner's clock compared with
 * ours, with a margin (the original has none, and fails fresh tasks when a runner's clock is ahead, spec 7.1 no. 37). A second
 * process with the same token that was there before the task is no restart.
 */
function wasRestarted(runner: RunnerRecord, task: TaskRecord, skewMs: number): boolean {
  if (runner.startedAt === undefined || task.start === undefined) return false;
  const began = Date.parse(runner.startedAt);
  const start = Date.parse(task.start);
  if (task.runnerStartedAt === undefined) return began > start + skewMs;
  return began > Date.parse(task.runnerStartedAt) && began > start - skewMs;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
