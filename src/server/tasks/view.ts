import { type TaskView, writeParams } from '../../protocol/ui/index.ts';
import type { TaskRecord } from '../store/records.ts';

/** A task as clients of the API see it. */
export function viewTask(task: TaskRecord): TaskView {
  const ansible = task.params.kind === 'ansible' ? task.params : undefined;
  return {
    ...task,
    params: writeParams(task.params),
    limit: ansible?.limit?.join(',') ?? '',
    debug: ansible?.debug ?? false,
    dryRun: ansible?.dryRun ?? (task.params.kind === 'terraform' && task.params.plan),
    diff: ansible?.diff ?? false,
  };
}
