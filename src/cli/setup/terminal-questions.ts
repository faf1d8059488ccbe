import * as clack from '@clack/prompts';
import { Cancelled, type Questions, type TextQuestion } from './questions.ts';

/** Questions for a person at a terminal. */
export function terminalQuestions(): Questions {
  return {
    canAskAgain: true,
    text: async (question) =>
      answered(await (question.secret === true ? askSecret(question) : askText(question))).trim(),
    confirm: async (message, byDefault) => answered<boolean>(await clack.confirm({ message, initialValue: byDefault })),
    progress: (message) => {
      const spinner = clack.spinner();
      spinner.start(message);
      return (result) => spinner.stop(result);
    },
    tell: (message) => clack.log.message(message),
  };
}

function askText({ message, byDefault, validate }: TextQuestion): Promise<string | symbol> {
  return clack.text({
    message,
    ...(byDefault === undefined ? {} : { placeholder: byDefault, defaultValue: byDefault }),
    validate: (answer) => check(answer ?? '', byDefault, validate),
  });
}

function askSecret({ message, validate }: TextQuestion): Promise<string | symbol> {
  return clack.password({ message, validate: (answer) => check(answer ?? '', undefined, validate) });
}

function check(answer: string, byDefault: string | undefined, validate: TextQuestion['validate']): string | undefined {
  const value = answer.trim() === '' ? byDefault : answer.trim();
  return value === undefined || value === '' ? 'An answer is needed.' : validate?.(value);
}

function answered<T extends string | boolean>(answer: T | symbol): T {
  if (typeof answer === 'symbol') throw new Cancelled('cancelled');
  return answer;
}
