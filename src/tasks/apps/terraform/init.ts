import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { TerraformTaskParams } from '../../../protocol/ui/index.ts';
import type { ProcessResult } from '../../../execution/index.ts';
import { requireSuccess, TaskProblem } from '../../problem.ts';
import type { Decision, TaskHost } from '../../types.ts';
import { step, type Tool } from './command.ts';

/** Begins our line in the log behind every answer. */
const answered = 'The answer to this is';

/** Between two looks at what the tool has written, milliseconds. */
const lookMs = 200;

/**
 * `init` (spec 5.8). Where it asks whether to copy the state to a new backend, the user decides and the tool gets "yes" or
 * "no"; to any other question it gets the end of its input, because nobody is there to type an answer. An answer that was due
 * when the runner was killed never came: then it is run once more. Throws TaskProblem and TaskStopped.
 */
export async function runInit(tool: Tool, params: TerraformTaskParams, extra: readonly string[]): Promise<void> {
  const { host } = tool.input.context;
  const args = [
    'init',
    ...(params.upgrade ? ['-upgrade'] : []),
    params.reconfigure ? '-reconfigure' : '-migrate-state',
    ...extra,
  ];
  for (let number = 1; ; number += 1) {
    const key = number === 1 ? 'init' : `init-${number}`;
    const { lostInput, output, result, unanswered } = await host.once(key, (inner) => attempt(tool, inner, key, args));
    if (output !== undefined && lostInput) {
      host.log(`${tool.name} init is run again: the runner that it asked has ended.`);
      continue;
    }
    if (unanswered && result.kind === 'exited') {
      throw new TaskProblem('requirements', `${tool.name} init ended before its question was answered`);
    }
    requireSuccess('requirements', tool.name, result, { output: output ?? '' });
    return;
  }
}

interface Attempt {
  result: ProcessResult;
  /** The end of what it wrote, when it failed. */
  output: string | undefined;
  /** It ended while the user was asked. */
  unanswered: boolean;
  /** Its input ended with the runner that had started it. */
  lostInput: boolean;
}

async function attempt(tool: Tool, host: TaskHost, key: string, args: readonly string[]): Promise<Attempt> {
  const lostInput = host.wasInterrupted(key);
  const stdin = new PassThrough();
  const over = new AbortController();
  const questions = answerQuestions({ host, key, stdin, over: over.signal, lostInput });
  // What was asked and answered while it ran is part of the record, up to where that ends: only then can it be taken over.
  if (lostInput) {
    await questions;
    stdin.end();
  }
  const result = await host.run({ ...step(tool, key, 'requirements', args), stdin }).finally(() => over.abort());
  const failed = result.kind === 'exited' && result.code !== 0;
  const output = failed ? await host.tail(key) : undefined;
  return { result, output, unanswered: (await questions) === 'unanswered', lostInput };
}

interface Questions {
  host: TaskHost;
  /** Of the step that asks. */
  key: string;
  stdin: PassThrough;
  /** Aborted when the tool has ended. */
  over: AbortSignal;
  /** Nothing that is not in the record will be answered. */
  lostInput: boolean;
}

/** Thrown by what is to be done once, so that it does not count as done. */
class NotRecorded extends Error {}

/** Resolves when the tool has ended, or with it when there is nothing more that it could ask. */
async function answerQuestions(questions: Questions): Promise<'done' | 'unanswered'> {
  const { host, key, lostInput, over, stdin } = questions;
  const once = <Value>(name: string, work: (inner: TaskHost) => Promise<Value>): Promise<Value> =>
    host.once(`${key}-${name}`, lostInput ? () => Promise.reject(new NotRecorded()) : work);
  try {
    for (let number = 1; ; number += 1) {
      const question = await once(`question-${number}`, () => nextQuestion(questions));
      if (question === 'none') return 'done';
      if (question === 'of values') {
        host.log('The tool asks for something that nobody is here to type: it gets no answer.');
        stdin.end();
        return 'done';
      }
      host.log('Waiting for a decision: confirm this to answer "yes", reject it to answer "no".');
      const decision = await once(`answer-${number}`, (inner) => Promise.race([decided(inner), aborted(over)]));
      if (decision === 'none') {
        stdin.end();
        return 'unanswered';
      }
      const answer = decision === 'confirmed' ? 'yes' : 'no';
      host.setStatus('running');
      host.log(`${answered} "${answer}".`);
      stdin.write(`${answer}\n`);
    }
  } catch (error: unknown) {
    if (error instanceof NotRecorded) return 'done';
    throw error;
  }
}

/** Waits until the tool asks something or ends. */
async function nextQuestion({ host, key, over }: Questions): Promise<'yes or no' | 'of values' | 'none'> {
  while (await pause(over)) {
    const question = pendingQuestion(await host.tail(key));
    if (question !== undefined) return question;
  }
  return 'none';
}

async function decided(host: TaskHost): Promise<Decision | 'none'> {
  return await host.waitForDecision().catch(() => 'none' as const);
}

/**
 * The question that ends `output`: one that "yes" or "no" answers, or any other; undefined when there is none. Our own line
 * after a question tells that it was seen.
 */
export function pendingQuestion(output: string): 'yes or no' | 'of values' | undefined {
  const text = stripVTControlCharacters(output).trimEnd();
  if (/\(y\/n\)\s*:?$/i.test(text)) return 'of values';
  const pieces = text.split('Enter a value:');
  if (pieces.length < 2 || pieces.at(-1) !== '') return undefined;
  // What was answered before is not part of this question.
  const question =
    pieces
      .at(-2)
      ?.split(new RegExp(`${answered} "(?:yes|no)"`))
      .at(-1) ?? '';
  return /Do you want to |"yes"/.test(question) ? 'yes or no' : 'of values';
}

/** False when `over` is aborted. */
async function pause(over: AbortSignal): Promise<boolean> {
  try {
    await delay(lookMs, undefined, { signal: over });
    return true;
  } catch {
    return false;
  }
}

async function aborted(signal: AbortSignal): Promise<'none'> {
  if (!signal.aborted)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  return 'none';
}
