import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { publishCommands, runCli } from './cli/index.ts';
import { commands } from './commands/index.ts';

publishCommands(commands);

/** What may still be open when a command has ended gets this long, milliseconds. */
const lastHandlesMs = 2000;

/** Runs one command line of `bin/semaphore`; the process ends with the exit code of the command. */
export async function main(argv: readonly string[]): Promise<void> {
  const root = join(import.meta.dirname, '..');
  // Not `process.exit` at once: what was written to a pipe must get there.
  process.exitCode = await runCli(argv, { root, version: packageJson.version, commands });
  setTimeout(() => process.exit(), lastHandlesMs).unref();
}
