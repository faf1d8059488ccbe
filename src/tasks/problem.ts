import type { ProcessResult } from '../execution/index.ts';
import { assertNever, codeOf, messageOf, shortageHint, UserError } from '../lib/index.ts';
import { findCause } from './causes.ts';
import { hintFor, onTheMachine } from './tools-at.ts';
import type { Phase, Step, TaskHost, TaskPlace } from './types.ts';

/** Thrown inside this room when a task cannot go on; `runTask` turns it into the last line of the task's log. */
export class TaskProblem extends Error {
  override name = 'TaskProblem';
  readonly phase: Phase;
  /** What to do about it, one sentence. */
  readonly hint: string | undefined;

  constructor(phase: Phase, message: string, hint?: string) {
    super(message);
    this.phase = phase;
    this.hint = hint;
  }
}

/** Thrown inside this room when the task was stopped. */
export class TaskStopped extends Error {
  override name = 'TaskStopped';
}

/** Does something with files of the task's place; throws TaskProblem when that is refused: `what`, then why. */
export async function withFiles<T>(phase: Phase, what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error: unknown) {
    const hint = error instanceof UserError ? error.hint : shortageHint(codeOf(error));
    throw new TaskProblem(phase, `${what}: ${messageOf(error)}`, hint);
  }
}

/** The one line that ends the log of a failed task: phase, cause, hint; `place` is where it ran, if it came to that. */
export function reasonOf(problem: TaskProblem, place?: TaskPlace): string {
  const cause = /[.!?]$/.test(problem.message) ? problem.message : `${problem.message}.`;
  return `Task failed in ${problem.phase}: ${cause}${problem.hint === undefined ? '' : ` ${hintFor(problem.hint, place)}`}`;
}

export interface Explanation {
  /** What the tool says with an exit code. */
  meanings?: Readonly<Record<number, string>>;
  /** The end of what it wrote. */
  output?: string;
}

/** Runs a step and returns when it succeeded; throws as `requireSuccess` does, explained by the end of its output. */
export async function runStep(
  host: TaskHost,
  step: Step,
  tool: string,
  meanings?: Explanation['meanings'],
): Promise<void> {
  const result = await host.run(step);
  const failed = result.kind === 'exited' && result.code !== 0;
  const output = failed ? await host.tail(step.key) : '';
  requireSuccess(step.phase, tool, result, { output, ...(meanings ? { meanings } : {}) });
}

/** Returns when `result` is a success; throws TaskStopped, or TaskProblem with what became of `tool` and why. */
export function requireSuccess(
  phase: Phase,
  tool: string,
  result: ProcessResult,
  { meanings = {}, output = '' }: Explanation = {},
): void {
  switch (result.kind) {
    case 'stopped':
      throw new TaskStopped();
    case 'exited': {
      if (result.code === 0) return;
      const meaning = meanings[result.code];
      const known = findCause(tool, output);
      const what = `${tool} exited with code ${result.code}${meaning === undefined ? '' : ` (${meaning})`}`;
      throw new TaskProblem(phase, known ? `${what}: ${known.cause}` : what, known?.hint);
    }
    case 'signalled':
      throw new TaskProblem(
        phase,
        `${tool} was killed by ${result.signal}`,
        result.signal === 'SIGKILL'
          ? 'If nobody did that, the machine may be out of memory: see the kernel log.'
          : undefined,
      );
    case 'lost':
      throw new TaskProblem(
        phase,
        `${tool} was killed while no runner was there to see why`,
        'When the runner is stopped by systemd, set KillMode=process in its unit, so that running tasks live on.',
      );
    case 'gone':
      throw new TaskProblem(phase, `${tool} was ended: ${result.reason}`, 'Run the task again once that is mended.');
    case 'unlogged':
      throw new TaskProblem(
        phase,
        `the output of ${tool} could not be written to the log of the task${result.reason === '' ? '' : ` (${result.reason})`}: what it said from there on is lost, and it was stopped`,
        shortageHint('ENOSPC'),
      );
    case 'unstartable':
      throw new TaskProblem(phase, `${tool} cannot be started: ${result.message}`, unstartableHint(tool, result.code));
    default:
      assertNever(result);
  }
}

function unstartableHint(tool: string, code: string): string {
  switch (code) {
    case 'ENOENT':
      return `Install ${packageOf(tool)} ${onTheMachine}, add its directory to the PATH of tasks, or set apps.<name>.path.`;
    case 'EACCES':
      return 'Make the file executable.';
    case 'E2BIG':
      return 'The arguments and the environment are larger than the system allows: pass less, or use a file.';
    default:
      return shortageHint(code) ?? "The runner's own log may tell more.";
  }
}

function packageOf(tool: string): string {
  if (tool === 'powershell') return 'PowerShell (pwsh)';
  return /^ansible(-playbook|-galaxy)?$/.test(tool) ? 'ansible-core' : tool;
}
