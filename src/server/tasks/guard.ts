import { isFinished, type TaskStatus } from '../../protocol/ui/index.ts';

/**
 * Changes that do not fit what the server knows better already (spec 5.1); all others are accepted. The row of `rejected` is
 * ours: runners repeat `waiting_confirmation` until they have heard of the decision, and would undo it.
 */
const refused: Readonly<Partial<Record<TaskStatus, readonly TaskStatus[]>>> = {
  confirmed: ['waiting_confirmation'],
  rejected: ['waiting_confirmation'],
  running: ['waiting'],
  stopping: ['waiting', 'running', 'waiting_confirmation'],
};

/** Whether a task's status may change. The same status again is nothing; a finished task stays as it is. */
export function guard(current: TaskStatus, wanted: TaskStatus): 'accepted' | 'unchanged' | 'refused' {
  if (isFinished(current)) return 'refused';
  if (current === wanted) return 'unchanged';
  return refused[current]?.includes(wanted) ? 'refused' : 'accepted';
}
