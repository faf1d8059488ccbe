import type { ProcessResult, ProcessSpec } from '../../execution/index.ts';
import { resultOfCode } from '../../execution/index.ts';

/** What an exec that reads a step says of it at its end; see `step-scripts.ts`. */
export interface StepReport {
  /** Undefined when the exec itself was ended, by whomever. */
  end: 'over' | 'absent' | 'again' | 'lost' | 'refused' | 'lacks' | undefined;
  /** The program that `lacks` is about. */
  lacks: string;
  unstartable: string | undefined;
  code: number | undefined;
  unlogged: string | undefined;
  /** Bytes of standard error that follow those of standard output. */
  errorBytes: number;
}

/** Reads the last lines of an exec's standard error. Whatever else it says there is left out. */
export function readReport(stderr: string): StepReport {
  const words = new Map<string, string>();
  for (const line of stderr.split('\n')) {
    const space = line.indexOf(' ');
    const [word, rest] = space === -1 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)];
    words.set(word, rest.trim());
  }
  const [end = '', lacks = ''] = (words.get('end') ?? '').split(' ');
  return {
    end: isEnd(end) ? end : undefined,
    lacks,
    unstartable: words.get('unstartable'),
    code: numberIn(words.get('code')),
    unlogged: words.get('unlogged')?.replace(/^cat: (write error: |-: )?/, ''),
    errorBytes: numberIn(words.get('errors')) ?? 0,
  };
}

/** The result of a step that is over. */
export function resultOf(report: StepReport, spec: Pick<ProcessSpec, 'command' | 'cwd' | 'env'>): ProcessResult {
  if (report.unstartable !== undefined) return unstartable(report.unstartable, spec);
  if (report.unlogged !== undefined) return { kind: 'unlogged', reason: report.unlogged };
  return report.code === undefined ? { kind: 'lost' } : resultOfCode(report.code);
}

function unstartable(why: string, { command, cwd, env }: Pick<ProcessSpec, 'command' | 'cwd' | 'env'>): ProcessResult {
  const result = (code: string, message: string) => ({ kind: 'unstartable', code, message }) as const;
  if (why === 'cwd') return result('ENOENT', `the working directory ${cwd} does not exist in the container`);
  if (why === 'EACCES') return result('EACCES', `${command} is there but may not be executed`);
  return result('ENOENT', `${command} was not found${command.includes('/') ? '' : ` in PATH (${env['PATH'] ?? ''})`}`);
}

function isEnd(text: string): text is NonNullable<StepReport['end']> {
  return ['over', 'absent', 'again', 'lost', 'refused', 'lacks'].includes(text);
}

function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
