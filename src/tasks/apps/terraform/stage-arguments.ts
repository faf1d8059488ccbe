import type { JobData } from '../../../protocol/ui/index.ts';
import { isObject } from '../../json.ts';
import { TaskProblem } from '../../problem.ts';
import { joinOptions, planningOptions, splitOptions, type Option } from './options.ts';

/** What template and task want of each command (spec 5.8). */
export interface StageArguments {
  init: string[];
  plan: string[];
  /** For an apply that is given the plan. */
  apply: string[];
  /** What of it cannot be done as it is written, in words for the log. */
  remarks: string[];
}

const stages = ['init', 'plan', 'apply', 'default'] as const;
type Stage = (typeof stages)[number];
type Given = Partial<Record<Stage, string[]>>;

/**
 * Reads the extra arguments: an array is for plan and apply (`default`), an object has one for each stage. Those of the task
 * follow those of the template, stage by stage. Because the plan that was shown is the plan that is applied, what shapes a
 * plan (variables, targets) goes to the plan, also when it is given for apply only. Throws TaskProblem.
 */
export function stageArguments(job: JobData): StageArguments {
  const remarks: string[] = [];
  const given: Given = {};
  const own = job.template.allowOverrideArgsInTask ? parse(job.task.arguments, 'task', remarks) : {};
  const template = parse(job.template.arguments, 'template', remarks);
  for (const stage of stages) {
    const parts = [template[stage], own[stage]].filter((part) => part !== undefined);
    if (parts.length > 0) given[stage] = parts.flat();
  }
  const forPlan = splitOptions(given.plan ?? given.default ?? []);
  const forApply = splitOptions(given.apply ?? given.default ?? []);
  const known = new Set(forPlan.map(keyOf));
  const moved = forApply.filter((option) => shapesPlan(option) && !known.has(keyOf(option)));
  const [saved, plan] = split(forPlan, ({ name }) => name === 'out');
  // In the original this is how a saved plan is applied; the file is ours.
  const [files, apply] = split(
    forApply.filter((option) => !shapesPlan(option)),
    ({ name }) => name === undefined,
  );
  if (saved.length > 0)
    remarks.push(`The plan is kept in a private file: ${joinOptions(saved).join(' ')} is left out.`);
  if (files.length > 0)
    remarks.push(`Apply gets the plan that has been made: ${joinOptions(files).join(' ')} is left out.`);
  return {
    init: given.init ?? [],
    plan: joinOptions([...plan, ...moved]),
    apply: joinOptions(apply),
    remarks,
  };
}

function shapesPlan({ name }: Option): boolean {
  return name !== undefined && planningOptions.has(name);
}

function keyOf({ tokens }: Option): string {
  return JSON.stringify(tokens);
}

function split(options: readonly Option[], test: (option: Option) => boolean): [Option[], Option[]] {
  return [options.filter(test), options.filter((option) => !test(option))];
}

function parse(text: string | undefined, owner: 'template' | 'task', remarks: string[]): Given {
  if (text === undefined || text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed(owner);
  }
  if (value === null) return {};
  if (Array.isArray(value)) return { default: texts(value, owner) };
  if (!isObject(value)) throw malformed(owner);
  const given: Given = {};
  for (const [name, list] of Object.entries(value)) {
    const stage = stages.find((known) => known === name);
    if (stage === undefined) {
      remarks.push(`The arguments for the stage "${name}" are left out: the stages are ${stages.join(', ')}.`);
    } else if (list !== null) given[stage] = texts(list, owner);
  }
  return given;
}

function texts(value: unknown, owner: 'template' | 'task'): string[] {
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string' || typeof entry === 'number')) {
    return value.map(String);
  }
  throw malformed(owner);
}

function malformed(owner: 'template' | 'task'): TaskProblem {
  return new TaskProblem(
    'prepare',
    `invalid format of the ${owner} extra arguments, must be valid JSON`,
    'Write an array of strings, for example ["-parallelism=5"], or an object of such arrays, for example {"plan": ["-lock=false"]}.',
  );
}
