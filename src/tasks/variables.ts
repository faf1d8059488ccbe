import type { JobData } from '../protocol/ui/index.ts';
import { compactJson, isObject, parseJson } from './json.ts';
import { TaskProblem } from './problem.ts';

/** The variables of a task, by the way they reach the tool. All maps are plain data; nothing is a template. */
export interface Variables {
  /** Extra variables that may be seen: group variables and survey answers. */
  open: Record<string, unknown>;
  /** Survey secrets that are extra variables. */
  surveySecrets: Record<string, unknown>;
  /** Secrets of variable groups that are extra variables. */
  groupSecrets: Record<string, string>;
  /** Process environment: group variables, group secrets, JWT, survey answers with the target `env` (spec 5.3, step 4). */
  env: Record<string, string>;
}

/** Sorts out the variables of a job (spec 4.6, 5.3, 5.7). Throws TaskProblem when a document in it is not what it must be. */
export function readVariables(job: JobData): Variables {
  const { environment, template, task } = job;
  const open = parseObject(environment.json, 'the variables of the variable group');
  const surveySecrets = parseObject(task.secret, "the task's survey secrets");
  const secrets = environment.secrets ?? [];
  const env = parseStrings(environment.env);
  for (const secret of secrets) if (secret.type === 'env') env[secret.name] = secret.secret;
  if (job.jwt !== undefined) env['SEMAPHORE_JWT'] = job.jwt;
  for (const { name, target } of template.surveyVars ?? []) {
    if (target !== 'env') continue;
    const value = surveySecrets[name] ?? open[name];
    if (value !== undefined) env[name] = textOf(value);
    delete surveySecrets[name];
    delete open[name];
  }
  for (const name of Object.keys(surveySecrets)) delete open[name];
  requireNames(env);
  const groupSecrets = Object.fromEntries(
    secrets.filter((secret) => secret.type === 'var').map((secret) => [secret.name, secret.secret]),
  );
  return { open, surveySecrets, groupSecrets, env };
}

/** A value as text: strings verbatim, the rest as compact JSON, numbers in plain decimals. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : compactJson(value);
}

function parseObject(text: string | undefined, what: string): Record<string, unknown> {
  if (text === undefined || text.trim() === '') return {};
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    throw notAnObject(what);
  }
  if (value === null) return {};
  if (!isObject(value)) throw notAnObject(what);
  return value;
}

function parseStrings(text: string | undefined): Record<string, string> {
  const values = parseObject(text, 'the environment of the variable group');
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, textOf(value)]));
}

/** What the system would refuse, or take for another variable. */
function requireNames(env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(env)) {
    if (name !== '' && !/[=\0]/.test(name) && !value.includes('\0')) continue;
    throw new TaskProblem(
      'prepare',
      `${JSON.stringify(name)} cannot be an environment variable`,
      'Names have no "=", and neither names nor values a zero byte: correct the variable group or the survey.',
    );
  }
}

function notAnObject(what: string): TaskProblem {
  return new TaskProblem(
    'prepare',
    `${what} are not a JSON object`,
    'Correct them in the variable group or the survey.',
  );
}
