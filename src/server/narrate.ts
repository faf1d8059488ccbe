import { isFinished, type TaskStatus } from '../protocol/ui/index.ts';
import type { Core } from './core.ts';

/** Tells the server's own log what becomes of tasks: that they came, where they went, how they ended. */
export function narrate({ events, logger, store }: Core): void {
  const last = new Map<number, TaskStatus>();
  events.changed.on((task) => {
    if (last.get(task.id) === task.status) return;
    last.set(task.id, task.status);
    const fields = { context: 'tasks', task_id: task.id, template: task.template.name, status: task.status };
    const runner = store.runner(task.runnerId ?? 0);
    const where = runner ? { runner_id: runner.id } : {};
    if (isFinished(task.status)) {
      last.delete(task.id);
      logger.info('Task finished', { ...fields, ...where });
    } else if (task.status === 'starting') {
      logger.info('Task assigned', { ...fields, ...where });
    } else if (task.status === 'waiting') {
      logger.info('Task queued', fields);
    } else {
      logger.debug('Task changed', { ...fields, ...where });
    }
  });
}
