import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { onTestFinished } from 'vitest';
import type { KilledAgent } from './program.ts';

let program: Promise<string> | undefined;

/** An agent with the log of one job, in a process of its own that can really be killed. */
export async function startKilledAgent(agent: KilledAgent): Promise<{
  /** Resolves when the lines are in its file. */
  write: (lines: readonly string[]) => Promise<void>;
  kill: () => Promise<void>;
}> {
  const child = fork(await (program ??= buildProgram()), [JSON.stringify(agent)], { execArgv: [] });
  const ended = once(child, 'exit');
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'message');
  return {
    write: async (lines) => {
      child.send(lines);
      await once(child, 'message');
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Once per test file. */
async function buildProgram(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'semaphore-killed-log-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const outfile = join(directory, 'program.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'program.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    mainFields: ['module', 'main'],
    external: ['@napi-rs/keyring', '@lydell/node-pty', 'cpu-features', '*.node'],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  });
  return outfile;
}
