import * as z from 'zod';
import { assertNever } from '../../lib/index.ts';
import { type AppKind, appKind } from './app.ts';
import {
  ansibleParamsSchema,
  ansibleTemplateParamsSchema,
  type TaskParams,
  type TemplateTaskParams,
  terraformParamsSchema,
  terraformTemplateParamsSchema,
} from './task-params.ts';
import type { Task, WireTask } from './task.ts';
import type { Template, WireTemplate } from './template.ts';

/**
 * `params` and `task_params` have other fields for each kind of app (spec 4.1, 4.2), so they are read here, when both the task and its
 * template are known. Both functions throw z.ZodError.
 */
export function readTaskAndTemplate(
  wireTask: WireTask,
  wireTemplate: WireTemplate,
): { task: Task; template: Template } {
  const kind = appKind(wireTemplate.app);
  const { params, debug, dryRun, diff, limit, ...task } = wireTask;
  const { taskParams, ...template } = wireTemplate;
  const read = {
    params: readParams(kind, params),
    taskParams: readTemplateParams(kind, taskParams),
  };
  // Newer servers always leave these flags out.
  const isOld = params === undefined && (debug ?? dryRun ?? diff) !== undefined;
  if (isOld && read.params.kind === 'ansible' && read.taskParams.kind === 'ansible') {
    Object.assign(read.params, { debug: debug ?? false, dryRun: dryRun ?? false, diff: diff ?? false });
    if (limit !== '') read.params.limit = [limit];
    // Servers up to 2.10 have no permissions: what the task says was allowed.
    if (taskParams === undefined) Object.assign(read.taskParams, { allowDebug: true, allowOverrideLimit: true });
  }
  return {
    task: { ...task, params: read.params },
    template: {
      ...template,
      // Their runners always took the task's branch, whatever the app.
      allowOverrideBranchInTask: isOld || template.allowOverrideBranchInTask,
      taskParams: read.taskParams,
    },
  };
}

/** The inverse; writes the form of new and old servers at once, which no runner minds (spec 8.2). */
export function writeTaskAndTemplate(task: Task, template: Template): { task: WireTask; template: WireTemplate } {
  const { params } = task;
  const { taskParams } = template;
  const ansible = params.kind === 'ansible' ? params : undefined;
  return {
    task: {
      ...task,
      params: writeParams(params),
      debug: ansible?.debug ?? false,
      dryRun: ansible?.dryRun ?? false,
      diff: ansible?.diff ?? false,
      limit: effectiveLimit(params, taskParams).join(','),
    },
    template: { ...template, taskParams: writeTemplateParams(taskParams) },
  };
}

/** The hosts an old runner shall be limited to: it knows neither presets nor permissions, so both are applied here. */
function effectiveLimit(params: TaskParams, preset: TemplateTaskParams): readonly string[] {
  if (preset.kind !== 'ansible') return [];
  const own = params.kind === 'ansible' && preset.allowOverrideLimit ? params.limit : undefined;
  return own ?? preset.limit;
}

/** Reads `params` of a task for a kind of app. Throws z.ZodError. */
export function readParams(kind: AppKind, wire: unknown): TaskParams {
  switch (kind) {
    case 'ansible':
      return { kind, ...decodeAt('task', 'params', ansibleParamsSchema, wire) };
    case 'terraform':
      return { kind, ...decodeAt('task', 'params', terraformParamsSchema, wire) };
    case 'other':
      return { kind };
    default:
      return assertNever(kind);
  }
}

/** Reads `task_params` of a template for a kind of app. Throws z.ZodError. */
export function readTemplateParams(kind: AppKind, wire: unknown): TemplateTaskParams {
  switch (kind) {
    case 'ansible':
      return { kind, ...decodeAt('template', 'taskParams', ansibleTemplateParamsSchema, wire) };
    case 'terraform':
      return { kind, ...decodeAt('template', 'taskParams', terraformTemplateParamsSchema, wire) };
    case 'other':
      return { kind };
    default:
      return assertNever(kind);
  }
}

function decodeAt<Model extends z.ZodType<unknown, Record<string, unknown>>>(
  owner: string,
  key: string,
  schema: Model,
  wire: unknown,
): z.output<Model> {
  const result = schema.safeParse(wire ?? {});
  if (result.success) return result.data;
  throw new z.ZodRealError(result.error.issues.map((issue) => ({ ...issue, path: [owner, key, ...issue.path] })));
}

/** The inverse of `readParams`. */
export function writeParams(params: TaskParams): unknown {
  switch (params.kind) {
    case 'ansible':
      return z.encode(ansibleParamsSchema, params);
    case 'terraform':
      return z.encode(terraformParamsSchema, params);
    case 'other':
      return {};
    default:
      return assertNever(params);
  }
}

/** The inverse of `readTemplateParams`. */
export function writeTemplateParams(params: TemplateTaskParams): unknown {
  switch (params.kind) {
    case 'ansible':
      return z.encode(ansibleTemplateParamsSchema, params);
    case 'terraform':
      return z.encode(terraformTemplateParamsSchema, params);
    case 'other':
      return undefined;
    default:
      return assertNever(params);
  }
}
