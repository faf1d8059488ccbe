import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { runProgram } from './built-program.ts';

export interface TerminalStep {
  /** Text that must appear first. */
  wait: string;
  /** Keys, for example `\r` for Enter, `\x03` for Ctrl-C. */
  send: string;
}

export interface TerminalResult {
  /** Exit code, or minus the signal. */
  code: number;
  /** What was written, without colours and cursor movements. */
  screen: string;
  /** Text that never came. */
  missed: string | null;
}

/** Runs a program in a real pseudo-terminal (python3) and types into it. */
export async function inTerminal(
  argv: readonly string[],
  steps: readonly TerminalStep[],
  options: { cwd: string; env?: Readonly<Record<string, string>> },
): Promise<TerminalResult> {
  const env = { PATH: process.env['PATH'] ?? '', TERM: 'xterm-256color', ...options.env };
  const input = JSON.stringify({ argv, env, cwd: options.cwd, steps });
  const { out, err } = await runProgram('python3', [join(import.meta.dirname, 'terminal.py')], { input });
  if (out === '') throw new Error(err);
  const result = JSON.parse(out) as TerminalResult;
  return { ...result, screen: stripVTControlCharacters(result.screen) };
}
