import * as z from 'zod';
import { UserError } from '../../lib/index.ts';
import { appKind } from './app.ts';
import { parseBody, readModel } from './body.ts';
import { readParams } from './params-by-app.ts';
import type { TaskParams } from './task-params.ts';
import { anything, flag, int, model, optionalInt, optionalText, text } from './wire.ts';

/** Bodies of the REST API (semaphore-ui-api.md). All readers throw UserError that names the field; none quotes a value. */

const newTaskSchema = model({
  templateId: int,
  debug: flag,
  dryRun: flag,
  diff: flag,
  playbook: text,
  environment: optionalText,
  secret: optionalText,
  limit: optionalText,
  gitBranch: optionalText,
  message: text,
  arguments: optionalText,
  inventoryId: optionalInt,
  buildTaskId: optionalInt,
  params: anything,
});

type WireNewTask = z.output<typeof newTaskSchema>;

/** What a user asks for when starting a task. */
export interface NewTask {
  templateId: number;
  playbook: string;
  /** Variables and answers to questions. */
  environment: Readonly<Record<string, unknown>>;
  /** Answers to secret questions. */
  secret: Readonly<Record<string, unknown>>;
  gitBranch: string | undefined;
  message: string;
  /** JSON text: an array, or for the Terraform family an object of arrays. */
  arguments: string | undefined;
  inventoryId: number | undefined;
  buildTaskId: number | undefined;
  params: TaskParams;
}

/** Reads the body of `POST /project/{pid}/tasks`; `appOf` gives the app of a template, undefined when there is none. */
export function decodeNewTask(body: Buffer, appOf: (templateId: number) => string | undefined): NewTask {
  const wire = readModel(newTaskSchema, parseBody(body), 'task');
  if (wire.templateId === 0) throw new UserError('template_id is required');
  const app = appOf(wire.templateId);
  if (app === undefined) throw new UserError(`template_id: this project has no template ${wire.templateId}`);
  return {
    templateId: wire.templateId,
    playbook: wire.playbook,
    environment: jsonObject(wire.environment, 'environment'),
    secret: jsonObject(wire.secret, 'secret'),
    gitBranch: wire.gitBranch,
    message: wire.message,
    arguments: argumentsText(wire.arguments, app),
    inventoryId: wire.inventoryId,
    buildTaskId: wire.buildTaskId,
    params: paramsOf(wire, app),
  };
}

/** `params`, and what clients of the first versions put beside it. */
function paramsOf(wire: WireNewTask, app: string): TaskParams {
  let params: TaskParams;
  try {
    params = readParams(appKind(app), wire.params);
  } catch (error: unknown) {
    if (!(error instanceof z.ZodError)) throw error;
    const [issue] = error.issues;
    throw new UserError(`params: ${issue?.path.slice(2).join('.') ?? ''}: ${issue?.message ?? 'not as expected'}`);
  }
  if (params.kind === 'terraform') return { ...params, plan: params.plan || wire.dryRun };
  if (params.kind !== 'ansible') {
    // Nothing would keep such a run from changing things.
    if (wire.dryRun) throw new UserError(`dry_run: a task of ${app} cannot run dry`);
    return params;
  }
  return {
    ...params,
    debug: params.debug || wire.debug,
    dryRun: params.dryRun || wire.dryRun,
    diff: params.diff || wire.diff,
    limit: params.limit ?? wire.limit?.split(',').map((host) => host.trim()),
  };
}

function jsonObject(json: string | undefined, field: string): Record<string, unknown> {
  const value = json === undefined ? {} : parsed(json);
  const object = z.record(z.string(), z.unknown()).safeParse(value);
  if (!object.success)
    throw new UserError(`${field}: expected the text of a JSON object, for example "{\\"name\\": \\"value\\"}"`);
  return object.data;
}

function argumentsText(json: string | undefined, app: string): string | undefined {
  if (json === undefined) return undefined;
  const value = parsed(json);
  const texts = z.array(z.string());
  if (texts.safeParse(value).success) return json;
  if (appKind(app) === 'terraform' && z.record(z.string(), texts).safeParse(value).success) return json;
  throw new UserError('arguments: expected the text of a JSON array of texts, for example "[\\"--verbose\\"]"');
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const stopSchema = model({ force: flag });

/** Reads the optional body of `POST …/stop`. */
export function decodeStop(body: Buffer): { force: boolean } {
  return body.toString().trim() === '' ? { force: false } : readModel(stopSchema, parseBody(body), 'stop');
}

const runnerChangesSchema = model({
  name: z.string().optional(),
  tags: z.array(z.string()).nullish(),
  active: z.boolean().optional(),
  isDefault: z.boolean().optional(),
  maxParallelTasks: z.int().min(0).optional(),
  webhook: z.string().nullish(),
  registered: z.boolean().optional(),
  projectId: z.int().nullish(),
});

/** What an administrator says of a runner; undefined fields are not said. */
export type RunnerChanges = z.output<typeof runnerChangesSchema>;

/** Reads the body of `POST /runners` and `PUT /runners/{id}`. */
export function decodeRunnerChanges(body: Buffer): RunnerChanges {
  return readModel(runnerChangesSchema, parseBody(body), 'runner');
}

const activeSchema = model({ active: flag });

/** Reads the body of `POST /runners/{id}/active`. */
export function decodeActive(body: Buffer): boolean {
  return readModel(activeSchema, parseBody(body), 'runner').active;
}
