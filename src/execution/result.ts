import type { ProcessResult } from './types.ts';

/** How long output of survivors is waited for after the tool itself has ended, milliseconds (spec 5.10). */
export const drainMs = 250;

const signalNames: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
};

/** The result that an exit code of the `sh` around a tool tells. */
export function resultOfCode(code: number): ProcessResult {
  const name = code > 128 ? signalNames[code - 128] : undefined;
  return name ? { kind: 'signalled', signal: name } : { kind: 'exited', code };
}
