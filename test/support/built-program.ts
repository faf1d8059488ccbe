import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

const root = join(import.meta.dirname, '../..');

/** Builds the program into `directory`, as a checkout of its own: nothing else can change it during a test. */
export function buildProgram(directory: string): { bin: string; bundle: string } {
  mkdirSync(directory, { recursive: true });
  cpSync(join(root, 'bin'), join(directory, 'bin'), { recursive: true });
  cpSync(join(root, 'assets'), join(directory, 'assets'), { recursive: true });
  cpSync(join(root, 'package.json'), join(directory, 'package.json'));
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), '--out', join(directory, 'dist')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return { bin: join(directory, 'bin/semaphore'), bundle: join(directory, 'dist/semaphore.cjs') };
}

export interface RunResult {
  code: number | undefined;
  signal: string | undefined;
  out: string;
  err: string;
}

export interface RunOptions {
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** Written to standard input, which is then closed. */
  input?: string;
}

/** Runs a program to its end, in an environment without anything of ours. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { cwd, input = '' } = options;
  const { exitCode, signal, stdout, stderr } = await execa(command, args, {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...options.env },
    extendEnv: false,
    input,
    reject: false,
    stripFinalNewline: false,
    ...(cwd === undefined ? {} : { cwd }),
  });
  return { code: exitCode, signal, out: stdout, err: stderr };
}
