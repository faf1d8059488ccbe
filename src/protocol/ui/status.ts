import * as z from 'zod';

/** Statuses of a task on the wire (spec 5.1). */
export const taskStatusSchema = z.enum([
  'waiting',
  'starting',
  'waiting_confirmation',
  'confirmed',
  'rejected',
  'running',
  'stopping',
  'stopped',
  'success',
  'error',
]);

export type TaskStatus = z.output<typeof taskStatusSchema>;

const known: ReadonlySet<string> = new Set(taskStatusSchema.options);

export function isTaskStatus(value: string): value is TaskStatus {
  return known.has(value);
}

/** True for `stopped`, `success` and `error`: the task will not change any more. */
export function isFinished(status: TaskStatus): boolean {
  return status === 'stopped' || status === 'success' || status === 'error';
}
