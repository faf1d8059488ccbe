import { posix } from 'node:path';
import { quoteWord } from '../host-executor/quote-word.ts';

/** A shell text, and what to say when it fails (spec CI 6.2). */
export interface PlacementStep {
  directive: string;
  failure: string;
}

/**
 * How `source`, which the container sees, gets to where the job wants it (spec CI 4.4): absolute as it is, `~` and `~user` as the shell of the
 * container has them, everything else below the home directory. Nothing else in a path means anything to the shell.
 */
export function placeFile({ path, mode }: { path: string; mode: string }, source: string): PlacementStep[] {
  const whole = path.startsWith('/') || path.startsWith('~') ? path : `~/${path}`;
  const destination = quotePath(whole);
  const directory = quotePath(posix.dirname(whole));
  return [
    {
      directive: `\\command mkdir -p -- ${directory}`,
      failure: `Failed to create destination path ${path}\n`,
    },
    {
      // Nobody else reads it before it has its mode. A directory in its place is not what was meant.
      directive: `test ! -d ${destination} && (umask 077; \\command cp -- ${quoteWord(source)} ${destination})`,
      failure: `Failed to move to destination path ${source} ${path}\n`,
    },
    {
      directive: `\\command chmod -- ${quoteWord(mode)} ${destination}`,
      failure: `Failed to set file mode to ${mode}\n`,
    },
  ];
}

function quotePath(path: string): string {
  const [, home = '', slash = '', rest = ''] = /^(~[A-Za-z0-9_.-]*)?(\/?)(.*)$/s.exec(path) ?? [];
  if (home === '') return quoteWord(path);
  return rest === '' ? home + slash : `${home}${slash}${quoteWord(rest)}`;
}
