import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Builds the program into `directory`, as a checkout of its own: nothing else can change it during a test. */
export function buildProgram(directory: string): { bin: string; bundle: string } {
  mkdirSync(directory, { recursive: true });
  cpSync(join(root, 'bin'), join(directory, 'bin'), { recursive: true });
  cpSync(join(root, 'package.json'), join(directory, 'package.json'));
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), '--out', join(directory, 'dist')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return { bin: join(directory, 'bin/semaphore'), bundle: join(directory, 'dist/semaphore.cjs') };
}

export interface RunResult {
  code: number | null;
  signal: string | null;
  out: string;
  err: string;
}

export interface RunOptions {
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** Written to standard input, which is then closed. */
  input?: string;
}

/** Runs a program to its end. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...options.env };
  const child = spawn(command, args, { cwd: options.cwd, env, stdio: 'pipe' });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, out, err }));
  });
}
