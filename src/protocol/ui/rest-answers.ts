import type { TaskStatus } from './status.ts';

/**
 * Answers of the REST API and messages of the WebSocket (semaphore-ui-api.md) in their wire form. Plain functions instead of
 * schemas: they only write, and lists of tasks are long.
 */

export interface TaskView {
  id: number;
  templateId: number;
  projectId: number;
  status: TaskStatus;
  playbook: string;
  environment: string;
  arguments: string | undefined;
  gitBranch: string | undefined;
  inventoryId: number | undefined;
  params: unknown;
  limit: string;
  debug: boolean;
  dryRun: boolean;
  diff: boolean;
  message: string;
  created: string;
  start: string | undefined;
  end: string | undefined;
  userName: string;
  scheduleId: number | undefined;
  buildTaskId: number | undefined;
  commit: { hash: string; message: string } | undefined;
  version: string | undefined;
  template: { name: string; playbook: string; type: string; app: string };
  runnerId: number | undefined;
}

export function encodeTask(task: TaskView): object {
  return {
    id: task.id,
    template_id: task.templateId,
    project_id: task.projectId,
    status: task.status,
    debug: task.debug,
    dry_run: task.dryRun,
    diff: task.diff,
    playbook: task.playbook,
    environment: task.environment,
    limit: task.limit,
    arguments: task.arguments ?? null,
    git_branch: task.gitBranch ?? null,
    inventory_id: task.inventoryId ?? null,
    params: task.params,
    message: task.message,
    created: task.created,
    start: task.start ?? null,
    end: task.end ?? null,
    user_name: task.userName === '' ? null : task.userName,
    schedule_id: task.scheduleId ?? null,
    build_task_id: task.buildTaskId ?? null,
    commit_hash: task.commit?.hash ?? null,
    commit_message: task.commit?.message ?? '',
    version: task.version ?? null,
    tpl_alias: task.template.name,
    tpl_playbook: task.template.playbook,
    tpl_type: task.template.type,
    tpl_app: task.template.app,
    runner_id: task.runnerId ?? null,
  };
}

export interface RunnerView {
  id: number;
  projectId: number | undefined;
  name: string;
  tags: readonly string[];
  webhook: string | undefined;
  maxParallelTasks: number;
  active: boolean;
  isDefault: boolean;
  registered: boolean;
  online: boolean;
  created: string;
  touched: string | undefined;
  startedAt: string | undefined;
  cleaningRequested: string | undefined;
}

/** A runner; `token` only in the answer that creates it. */
export function encodeRunner(runner: RunnerView, token?: string): object {
  return {
    id: runner.id,
    project_id: runner.projectId ?? null,
    name: runner.name,
    tags: runner.tags,
    webhook: runner.webhook ?? '',
    max_parallel_tasks: runner.maxParallelTasks,
    active: runner.active,
    is_default: runner.isDefault,
    registered: runner.registered,
    online: runner.online,
    created: runner.created,
    touched: runner.touched ?? null,
    started_at: runner.startedAt ?? null,
    cleaning_requested: runner.cleaningRequested ?? null,
    ...(token === undefined ? {} : { token }),
  };
}

/** `{type: "update"}`: a task has another status. */
export function encodeUpdateEvent(task: TaskView): string {
  return JSON.stringify({
    type: 'update',
    project_id: task.projectId,
    task_id: task.id,
    template_id: task.templateId,
    status: task.status,
    start: task.start ?? null,
    end: task.end ?? null,
    version: task.version ?? null,
  });
}

/** `{type: "log"}`: a line of a task. */
export function encodeLogEvent(projectId: number, taskId: number, record: { time: string; message: string }): string {
  return JSON.stringify({
    type: 'log',
    project_id: projectId,
    task_id: taskId,
    time: record.time,
    output: record.message,
  });
}

/** One element of `…/output`. */
export function encodeOutputLine(taskId: number, record: { time: string; message: string }): string {
  return `{"task_id":${taskId},"time":"${record.time}","output":${JSON.stringify(record.message)}}`;
}
