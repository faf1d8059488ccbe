import { createInterface } from 'node:readline';
import { UserError } from '../../lib/index.ts';
import type { Questions, TextQuestion } from './questions.ts';

/**
 * The plain protocol of the original's wizard (spec 1.6), so that a script can pipe its answers in: one line for each
 * question, an empty one for the default, yes or no in any case.
 */
export function lineQuestions(
  input: NodeJS.ReadableStream,
  write: (text: string) => void,
): Questions & { close(): void } {
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  const iterator = lines[Symbol.asyncIterator]();
  let answers = 0;

  async function answer(prompt: string): Promise<string | undefined> {
    write(prompt);
    const { done, value } = await iterator.next();
    write('\n');
    if (done !== true) answers += 1;
    else if (answers === 0) throw ended(prompt);
    return done === true ? undefined : value.trim();
  }

  async function text({ message, byDefault, validate }: TextQuestion): Promise<string> {
    const prompt = byDefault === undefined ? `${message}: ` : `${message} (default ${byDefault}): `;
    for (;;) {
      const line = await answer(prompt);
      const value = line === undefined || line === '' ? byDefault : line;
      if (value === undefined) {
        if (line === undefined) throw ended(prompt);
        continue;
      }
      const problem = validate?.(value);
      if (problem !== undefined) throw new UserError(`${message}: ${problem}`);
      return value;
    }
  }

  return {
    canAskAgain: false,
    text,
    confirm: async (message, byDefault) => {
      const line = await answer(`${message} (yes/no) (default ${byDefault ? 'yes' : 'no'}): `);
      if (/^y(es)?$/i.test(line ?? '')) return true;
      return /^no?$/i.test(line ?? '') ? false : byDefault;
    },
    progress: () => () => undefined,
    tell: (message) => write(`${message}\n`),
    close: () => lines.close(),
  };
}

function ended(prompt: string): UserError {
  return new UserError(`standard input ended before this was answered: ${prompt.trim()}`, {
    hint: 'Pipe one line for each answer, or give the answers as flags; see: semaphore runner setup --help',
  });
}
