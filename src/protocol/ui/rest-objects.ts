import { writeTemplateParams } from './params-by-app.ts';
import type { TemplateTaskParams } from './task-params.ts';

/** Declared objects in the wire form of the REST API (semaphore-ui-api.md); secret values never. */

export interface ProjectView {
  id: number;
  name: string;
  created: string;
  alert: boolean;
  alertChat: string | undefined;
  maxParallelTasks: number;
}

export function encodeProject(project: ProjectView): object {
  return {
    id: project.id,
    name: project.name,
    created: project.created,
    alert: project.alert,
    alert_chat: project.alertChat ?? null,
    max_parallel_tasks: project.maxParallelTasks,
    type: '',
  };
}

export interface TemplateView {
  id: number;
  projectId: number;
  name: string;
  description: string | undefined;
  app: string;
  type: '' | 'build' | 'deploy';
  playbook: string;
  workingDirectory: string | undefined;
  repositoryId: number;
  inventoryId: number | undefined;
  variableGroupIds: readonly number[];
  arguments: string | undefined;
  allowOverrideArgsInTask: boolean;
  allowOverrideBranchInTask: boolean;
  allowParallelTasks: boolean;
  suppressSuccessAlerts: boolean;
  suppressErrorAlerts: boolean;
  gitBranch: string | undefined;
  startVersion: string | undefined;
  buildTemplateId: number | undefined;
  autorun: boolean;
  surveyVars: readonly SurveyVarView[];
  vaults: readonly { id: number; name: string | undefined; keyId: number | undefined; script: string | undefined }[];
  taskParams: TemplateTaskParams;
  runnerTag: string | undefined;
  executorImage: string | undefined;
  /** How many tasks it has. */
  tasks: number;
  lastTask: object | undefined;
}

interface SurveyVarView {
  name: string;
  title: string;
  description: string | undefined;
  type: string;
  target: string;
  required: boolean;
  values: readonly { name: string; value: string }[];
  defaultValue: string | readonly string[] | undefined;
}

export function encodeTemplate(template: TemplateView): object {
  return {
    id: template.id,
    project_id: template.projectId,
    inventory_id: template.inventoryId ?? null,
    repository_id: template.repositoryId,
    environment_id: template.variableGroupIds[0] ?? null,
    environment_ids: template.variableGroupIds,
    view_id: null,
    name: template.name,
    playbook: template.playbook,
    working_directory: template.workingDirectory ?? null,
    arguments: template.arguments ?? null,
    description: template.description ?? null,
    allow_override_args_in_task: template.allowOverrideArgsInTask,
    allow_override_branch_in_task: template.allowOverrideBranchInTask,
    allow_parallel_tasks: template.allowParallelTasks,
    suppress_success_alerts: template.suppressSuccessAlerts,
    suppress_error_alerts: template.suppressErrorAlerts,
    app: template.app,
    git_branch: template.gitBranch ?? null,
    type: template.type,
    start_version: template.startVersion ?? null,
    build_template_id: template.buildTemplateId ?? null,
    autorun: template.autorun,
    survey_vars: template.surveyVars.map((survey) => ({
      name: survey.name,
      title: survey.title,
      description: survey.description ?? '',
      type: survey.type,
      target: survey.target,
      required: survey.required,
      values: survey.values,
      default_value: survey.defaultValue ?? null,
    })),
    vaults: template.vaults.map((vault) => ({
      id: vault.id,
      project_id: template.projectId,
      template_id: template.id,
      vault_key_id: vault.keyId ?? null,
      name: vault.name ?? null,
      type: vault.script === undefined ? 'password' : 'script',
      script: vault.script ?? null,
    })),
    task_params: writeTemplateParams(template.taskParams) ?? {},
    runner_tag: template.runnerTag ?? null,
    executor_image: template.executorImage ?? null,
    tasks: template.tasks,
    last_task: template.lastTask ?? null,
  };
}

interface Named {
  id: number;
  projectId: number;
  name: string;
}

export function encodeInventory(
  inventory: Named & {
    inventory: string;
    type: string;
    keyId: number | undefined;
    becomeKeyId: number | undefined;
    repositoryId: number | undefined;
    runnerTag: string | undefined;
  },
): object {
  return {
    ...named(inventory),
    inventory: inventory.inventory,
    type: inventory.type,
    ssh_key_id: inventory.keyId ?? null,
    become_key_id: inventory.becomeKeyId ?? null,
    repository_id: inventory.repositoryId ?? null,
    template_id: null,
    runner_tag: inventory.runnerTag ?? null,
  };
}

export function encodeRepository(repository: Named & { gitUrl: string; gitBranch: string; keyId: number }): object {
  return {
    ...named(repository),
    git_url: repository.gitUrl,
    git_branch: repository.gitBranch,
    ssh_key_id: repository.keyId,
  };
}

export function encodeEnvironment(
  group: Named & {
    variables: Readonly<Record<string, unknown>>;
    env: Readonly<Record<string, string>>;
    secrets: readonly { name: string; type: 'var' | 'env' }[];
  },
): object {
  return {
    ...named(group),
    password: null,
    json: JSON.stringify(group.variables),
    env: JSON.stringify(group.env),
    secrets: group.secrets.map(({ name, type }, index) => ({ id: index + 1, type, name })),
  };
}

export function encodeKey(key: Named & { type: string }): object {
  return { ...named(key), type: key.type };
}

export function encodeSchedule(
  schedule: Named & {
    templateId: number;
    cron: string;
    timezone: string | undefined;
    active: boolean;
    next: string | undefined;
  },
): object {
  return {
    ...named(schedule),
    template_id: schedule.templateId,
    cron_format: schedule.cron,
    timezone: schedule.timezone ?? '',
    active: schedule.active,
    next_run: schedule.next ?? null,
    repository_id: null,
    last_commit_hash: null,
  };
}

function named({ id, projectId, name }: Named): object {
  return { id, project_id: projectId, name };
}
