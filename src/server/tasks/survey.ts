import { UserError } from '../../lib/index.ts';
import type { Template } from '../catalog/types.ts';

type Survey = Template['surveyVars'][number];
type Answers = Readonly<Record<string, unknown>>;

/**
 * The variables of a new task: what was asked for, checked against the questions of the template; answers to secret questions
 * apart from the others; defaults where nothing else gives the variable a value. Throws UserError that names the variable.
 */
export function answerSurvey(
  questions: readonly Survey[],
  given: { environment: Answers; secret: Answers },
  /** Variables that the template's groups set. */
  preset: Answers,
): { environment: Record<string, unknown>; secret: Record<string, unknown> } {
  const environment: Record<string, unknown> = { ...given.environment };
  const secret: Record<string, unknown> = { ...given.secret };
  for (const question of questions) {
    const { name } = question;
    if (question.type === 'secret' && Object.hasOwn(environment, name)) {
      secret[name] ??= environment[name];
      delete environment[name];
    }
    const answers = question.type === 'secret' ? secret : environment;
    if (isEmpty(answers[name]) && question.defaultValue !== undefined && !Object.hasOwn(preset, name)) {
      answers[name] = question.defaultValue;
    }
    check(question, answers[name], Object.hasOwn(preset, name));
  }
  return { environment, secret };
}

function check(question: Survey, answer: unknown, isPreset: boolean): void {
  const field = `${question.type === 'secret' ? 'secret' : 'environment'}: ${question.name}`;
  if (isEmpty(answer)) {
    if (question.required && !isPreset) throw new UserError(`${field} is required ("${question.title}")`);
    return;
  }
  if (question.type === 'int' && !/^-?\d+$/.test(String(answer)))
    throw new UserError(`${field}: expected a whole number`);
  if (question.type !== 'enum' && question.type !== 'select') return;
  const choices = question.values.map(({ value }) => value);
  const chosen = Array.isArray(answer) ? answer : [answer];
  if (!chosen.every((item) => choices.includes(String(item))))
    throw new UserError(`${field}: expected one of ${choices.join(', ')}`);
}

function isEmpty(answer: unknown): boolean {
  return answer === undefined || answer === null || answer === '';
}
