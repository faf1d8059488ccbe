import { assertNever } from '../../lib/index.ts';
import type { CommandTable } from '../help-page.ts';
import { bashCompletion } from './bash.ts';
import { fishCompletion } from './fish.ts';
import { completionModel } from './model.ts';
import { zshCompletion } from './zsh.ts';

export const completionShells = ['bash', 'zsh', 'fish'] as const;

export type CompletionShell = (typeof completionShells)[number];

/** The script that teaches a shell to complete our commands. */
export function completionScript(shell: CompletionShell, commands: CommandTable): string {
  const nodes = completionModel(commands);
  switch (shell) {
    case 'bash':
      return bashCompletion(nodes);
    case 'zsh':
      return zshCompletion(nodes);
    case 'fish':
      return fishCompletion(nodes);
    default:
      return assertNever(shell);
  }
}
