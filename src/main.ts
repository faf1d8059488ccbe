import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { publishCommands, reportStray, runCli } from './cli/index.ts';
import { commands } from './commands/index.ts';
import { hideArguments, restrictUmask } from './lib/index.ts';

publishCommands(commands);

/** What may still be open when a command has ended gets this long, milliseconds. */
const lastHandlesMs = 2000;

const options = { root: join(import.meta.dirname, '..'), version: packageJson.version, commands };

/** Runs one command line inside a process that goes on; gives the exit code. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  return await runCli(argv, options);
}

/** Runs the command line of `bin/semaphore`; the process ends with the exit code of the command. */
export async function main(argv: readonly string[]): Promise<void> {
  restrictUmask();
  hideArguments(['--token', '--auth-token-secret']);
  // An error that nobody waited for is told like any other.
  process.on('uncaughtException', (error) => void endWith(error, argv));
  // Not `process.exit` at once: what was written to a pipe must get there.
  process.exitCode = await runCommand(argv);
  setTimeout(() => process.exit(), lastHandlesMs).unref();
}

async function endWith(error: unknown, argv: readonly string[]): Promise<never> {
  return process.exit(await reportStray(error, argv, options));
}
