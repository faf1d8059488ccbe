import type { CommandTable } from './help-page.ts';

/** Where `bin/commands.cjs` finds the commands for oclif, which wants them from a file. */
const key = Symbol.for('semaphore.commands');

const shared: Record<symbol, CommandTable | undefined> = globalThis;

export function publishCommands(commands: CommandTable): void {
  shared[key] = commands;
}

export function publishedCommands(): CommandTable {
  return shared[key] ?? {};
}
