import { lineQuestions } from './line-questions.ts';
import { noQuestions } from './no-questions.ts';
import type { Questions } from './questions.ts';

/** Prompts for a person, lines for a pipe, or nothing at all when told so; `close` lets go of standard input. */
export async function chooseQuestions(silent: boolean): Promise<{ questions: Questions; close: () => void }> {
  const write = (text: string) => void process.stdout.write(text);
  if (silent) return { questions: noQuestions(write), close: () => undefined };
  if (process.stdin.isTTY && process.stdout.isTTY && process.env['TERM'] !== 'dumb') {
    const { terminalQuestions } = await import('./terminal-questions.ts');
    return { questions: terminalQuestions(), close: () => undefined };
  }
  const questions = lineQuestions(process.stdin, write);
  return { questions, close: () => questions.close() };
}
