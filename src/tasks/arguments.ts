import type { JobData } from '../protocol/ui/index.ts';
import { TaskProblem } from './problem.ts';

/** The extra arguments of a template and, where the template allows it, of its task (spec 4.1, 4.2). */
export interface ExtraArguments {
  template: string[];
  task: string[];
}

/** Throws TaskProblem when the text is not a JSON array of strings. */
export function extraArguments(job: JobData): ExtraArguments {
  const { task, template } = job;
  return {
    template: parseArguments(template.arguments, 'template'),
    task: template.allowOverrideArgsInTask ? parseArguments(task.arguments, 'task') : [],
  };
}

function parseArguments(text: string | undefined, owner: 'template' | 'task'): string[] {
  if (text === undefined || text.trim() === '') return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (value === null) return [];
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string' || typeof entry === 'number')) {
    return value.map(String);
  }
  throw new TaskProblem(
    'prepare',
    `invalid format of the ${owner} extra arguments, must be valid JSON`,
    'Write them as an array of strings, for example ["--forks=10"].',
  );
}
