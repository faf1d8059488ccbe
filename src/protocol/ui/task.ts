import type * as z from 'zod';
import { taskStatusSchema } from './status.ts';
import type { TaskParams } from './task-params.ts';
import { anything, choice, int, maybeFlag, model, optionalInt, optionalText, requiredId, text } from './wire.ts';

/**
 * One run of a template (spec 4.1), as it is on the wire. `params` is read once the app is known (job.ts); `debug`, `dryRun`,
 * `diff` and `limit` at this level are the form of servers up to 2.10.
 */
export const wireTaskSchema = model({
  id: requiredId,
  templateId: int,
  projectId: int,
  templateName: optionalText,
  /** `waiting` or `starting` when delivered. */
  status: choice(taskStatusSchema.options, 'starting'),
  playbook: text,
  /** Already merged into the job's environment by the server; not to be merged again. */
  environment: optionalText,
  /** JSON object text with the survey's secrets. */
  secret: optionalText,
  /** JSON array text (Terraform: or object of stages). */
  arguments: optionalText,
  gitBranch: optionalText,
  userId: optionalInt,
  integrationId: optionalInt,
  scheduleId: optionalInt,
  /** RFC 3339. */
  created: text,
  start: optionalText,
  end: optionalText,
  message: optionalText,
  /** When given, exactly this commit is checked out and none is reported. */
  commitHash: optionalText,
  commitMessage: optionalText,
  buildTaskId: optionalInt,
  workflowRunId: optionalInt,
  workflowNodeId: optionalInt,
  workflowTemplateId: optionalInt,
  version: optionalText,
  inventoryId: optionalInt,
  params: anything,
  artifacts: optionalText,
  debug: maybeFlag,
  dryRun: maybeFlag,
  diff: maybeFlag,
  limit: text,
});

export type WireTask = z.output<typeof wireTaskSchema>;

/** One run of a template (spec 4.1), with `params` for the template's app. */
export type Task = Omit<WireTask, 'params' | 'debug' | 'dryRun' | 'diff' | 'limit'> & { params: TaskParams };
