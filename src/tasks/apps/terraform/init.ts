import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { TerraformTaskParams } from '../../../protocol/ui/index.ts';
import { requireSuccess, TaskProblem } from '../../problem.ts';
import type { TaskHost } from '../../types.ts';
import { step, type Tool } from './command.ts';

/** Begins our line in the log behind every answer. */
const answered = 'The answer to this is';

/** Between two looks at what the tool has written, milliseconds. */
const lookMs = 200;

/**
 * `init` (spec 5.8). Where it asks whether to copy the state to a new backend, the user decides and the tool gets "yes" or
 * "no"; to any other question it gets the end of its input, because nobody is there to type an answer. Throws TaskProblem
 * and TaskStopped.
 */
export async function runInit(tool: Tool, params: TerraformTaskParams, extra: readonly string[]): Promise<void> {
  const { host } = tool.input.context;
  const args = [
    'init',
    ...(params.upgrade ? ['-upgrade'] : []),
    params.reconfigure ? '-reconfigure' : '-migrate-state',
    ...extra,
  ];
  const stdin = new PassThrough();
  const over = new AbortController();
  const questions = answerQuestions(host, stdin, over.signal);
  const result = await host.run({ ...step(tool, 'init', 'requirements', args), stdin }).finally(() => over.abort());
  if ((await questions) === 'unanswered' && result.kind === 'exited') {
    throw new TaskProblem('requirements', `${tool.name} init ended before its question was answered`);
  }
  const failed = result.kind === 'exited' && result.code !== 0;
  requireSuccess('requirements', tool.name, result, { output: failed ? await host.tail('init') : '' });
}

/** Resolves when `over` is aborted: the tool has ended. */
async function answerQuestions(host: TaskHost, stdin: PassThrough, over: AbortSignal): Promise<'done' | 'unanswered'> {
  while (await pause(over)) {
    const question = pendingQuestion(await host.tail('init'));
    if (question === undefined) continue;
    if (question === 'of values') {
      host.log('The tool asks for something that nobody is here to type: it gets no answer.');
      stdin.end();
      return 'done';
    }
    host.log('Waiting for a decision: confirm this to answer "yes", reject it to answer "no".');
    const decision = await Promise.race([host.waitForDecision().catch(() => undefined), aborted(over)]);
    if (decision === undefined) {
      stdin.end();
      return 'unanswered';
    }
    const answer = decision === 'confirmed' ? 'yes' : 'no';
    host.setStatus('running');
    host.log(`${answered} "${answer}".`);
    stdin.write(`${answer}\n`);
  }
  return 'done';
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

async function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
