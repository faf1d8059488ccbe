import { type NewTask, readParams } from '../../protocol/ui/index.ts';
import type { Schedule, Template } from '../catalog/types.ts';

/** A task that overrides nothing. */
export function plainTask(template: Template): NewTask {
  return {
    templateId: template.id,
    playbook: '',
    environment: {},
    secret: {},
    gitBranch: undefined,
    message: '',
    arguments: undefined,
    inventoryId: undefined,
    buildTaskId: undefined,
    params: readParams(template.taskParams.kind, {}),
  };
}

/** The task that a schedule starts. */
export function scheduledTask({ task }: Schedule, template: Template): NewTask {
  return {
    ...plainTask(template),
    environment: task.environment,
    gitBranch: task.gitBranch,
    message: task.message ?? '',
    arguments: task.arguments,
    inventoryId: task.inventoryId,
    params: readParams(template.taskParams.kind, task.params),
  };
}
