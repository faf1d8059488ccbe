import { UserError } from '../../lib/index.ts';
import type { Questions } from './questions.ts';

/** Asks nobody: every question has its default, and a question without one is an error. For `--yes`. */
export function noQuestions(write: (text: string) => void): Questions {
  return {
    canAskAgain: false,
    text: async ({ message, byDefault, validate }) => {
      const problem = byDefault === undefined ? undefined : validate?.(byDefault);
      if (byDefault !== undefined && problem === undefined) return byDefault;
      throw new UserError(problem === undefined ? `not answered: ${message}` : `${message}: ${problem}`, {
        hint: 'Give it as a flag; see: semaphore runner setup --help',
      });
    },
    confirm: async (_message, byDefault) => byDefault,
    progress: () => () => undefined,
    tell: (message) => write(`${message}\n`),
  };
}
