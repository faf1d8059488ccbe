import { posix } from 'node:path';
import type { JobFile } from '../../protocol/ci/index.ts';
import { quoteWord } from '../host-executor/quote-word.ts';

/** Where a file belongs, as the job says it: below the home directory unless it begins with `/` or `~` (spec CI 4.4). */
export function destinationOf(path: string): string {
  return /^[/~]/.test(path) ? path : `~/${path}`;
}

/** Copies the parts of a file to its place. It is its owner's alone until it has its mode. */
export function injectCommand({ path, mode }: JobFile, parts: readonly string[]): string {
  const destination = destinationOf(path);
  const target = quotePath(destination);
  return [
    `\\command mkdir -p -- ${quotePath(posix.dirname(destination))}`,
    `( \\builtin umask 077 && \\command cat -- ${parts.map(quoteWord).join(' ')} >|${target} )`,
    `\\command chmod -- ${quoteWord(mode)} ${target}`,
  ].join(' && ');
}

/** The home directory at the beginning is the shell's business, nothing else. */
function quotePath(path: string): string {
  const [, home = '', rest = ''] = /^(~[A-Za-z0-9._-]*(?=\/|$))?(.*)$/s.exec(path) ?? [];
  return home + (rest === '' && home !== '' ? '' : quoteWord(rest));
}
