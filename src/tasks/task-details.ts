import type { JobData } from '../protocol/ui/index.ts';
import type { Commit } from './types.ts';

/**
 * What a task may know of itself: `semaphore_vars.task_details` of Ansible, `SEMAPHORE_TASK_DETAILS_*` of shell apps
 * (spec 5.6, 5.7). What has no value is left out.
 */
export type TaskDetails = Readonly<Record<string, string | number>>;

export function taskDetails(job: JobData, commit: Commit | undefined, webHost: string | undefined): TaskDetails {
  const { task, template } = job;
  const url = webHost === undefined ? undefined : `${webHost}/project/${task.projectId}/history?t=${task.id}`;
  const typed = template.type !== '';
  const details: Record<string, string | number | undefined> = {
    id: task.id,
    message: task.message,
    username: job.username,
    url,
    commit_hash: commit?.hash,
    commit_message: commit?.message,
    inventory_name: job.inventory.name,
    inventory_id: job.inventory.id,
    repository_name: job.repository.name,
    repository_id: job.repository.id,
    type: typed ? template.type : undefined,
    incoming_version: typed ? job.incomingVersion : undefined,
    target_version: template.type === 'build' ? task.version : undefined,
  };
  return Object.fromEntries(
    Object.entries(details).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

/** The details as environment variables: set when the text is not empty, verbatim but for unprintable characters. */
export function detailVariables(details: TaskDetails): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [key, value] of Object.entries(details)) {
    const text = String(value).replaceAll(/\p{Cc}/gu, '');
    if (text !== '') variables[`SEMAPHORE_TASK_DETAILS_${key.toUpperCase()}`] = text;
  }
  return variables;
}

/** Who and what is running (spec 5.6), for every app. */
export function identityVariables(job: JobData, webHost: string | undefined): Record<string, string> {
  const { task, template } = job;
  const variables: Record<string, string> = {
    SEMAPHORE_PROJECT_ID: String(task.projectId),
    SEMAPHORE_TASK_ID: String(task.id),
  };
  if (task.workflowRunId !== undefined) {
    variables['SEMAPHORE_WORKFLOW_RUN_ID'] = String(task.workflowRunId);
    if (task.workflowTemplateId !== undefined) {
      variables['SEMAPHORE_WORKFLOW_ID'] = String(task.workflowTemplateId);
      if (webHost !== undefined) {
        variables['SEMAPHORE_WORKFLOW_URL'] =
          `${webHost}/project/${task.projectId}/workflows/${task.workflowTemplateId}/runs/${task.workflowRunId}`;
      }
    }
  }
  if (template.type === '') return variables;
  variables['SEMAPHORE_TASK_TYPE'] = template.type;
  if (job.incomingVersion !== undefined) variables['SEMAPHORE_TASK_INCOMING_VERSION'] = job.incomingVersion;
  if (template.type === 'build' && task.version !== undefined)
    variables['SEMAPHORE_TASK_TARGET_VERSION'] = task.version;
  return variables;
}
