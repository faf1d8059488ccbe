import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The built program as users start it, its output in a file that is shown when a test fails. */

const root = join(import.meta.dirname, '../../..');
const executable = join(root, 'bin/semaphore');

let built = false;

/** Builds `dist/` unless it is up to date; `npm test` has done so, a single test file may not. */
export function ensureBuilt(): void {
  if (built) return;
  const code = "await (await import('./scripts/setup.mjs')).ensureBuilt();";
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', code], { cwd: root, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`the program cannot be built:\n${result.stdout}${result.stderr}`);
  built = true;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface RunningProgram {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves when it has ended. */
  readonly ended: Promise<Ended>;
  /** Standard output and standard error so far. */
  output(): string;
}

export interface StartOptions {
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** File for standard output and standard error. */
  log: string;
}

export function startProgram(args: readonly string[], { cwd, env, log }: StartOptions): RunningProgram {
  const file = openSync(log, 'a');
  const child = spawn(process.execPath, [executable, ...args], {
    cwd,
    env,
    stdio: ['ignore', file, file],
    detached: true,
  });
  closeSync(file);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${process.execPath} cannot be started`);
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  return { child, pid, ended, output: () => readFileSync(log, 'utf8') };
}

/** Runs the program to its end, with `input` as standard input. */
export function runProgram(
  args: readonly string[],
  options: { cwd: string; env: Readonly<Record<string, string>>; input?: string },
) {
  const { cwd, env, input } = options;
  const result = spawnSync(process.execPath, [executable, ...args], {
    cwd,
    env,
    input: input ?? '',
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { code: result.status, stdout: result.stdout, stderr: result.stderr };
}
