import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { buildProgram } from '../support/built-program.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Builds the program once for a test file, with the packages that are not part of the bundle. */
export function builtAgent(): { bin: () => string; semaphore: () => string } {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'semaphore-agent-built-'));
    buildProgram(directory);
    symlinkSync(join(import.meta.dirname, '../../node_modules'), join(directory, 'node_modules'));
  }, 120_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return { bin: () => join(directory, 'bin/agent'), semaphore: () => join(directory, 'bin/semaphore') };
}

/** A home and a directory for temporary files of an agent's own. */
export interface Place {
  home: string;
  tmp: string;
  log: string;
  env: Record<string, string>;
  readLog(): string;
}

export function newPlace(): Place {
  const home = tempDir('semaphore-agent-home-');
  const tmp = join(home, 'tmp');
  mkdirSync(tmp);
  const log = join(home, 'logs/agent.log');
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, TMPDIR: tmp, SEMAPHORE_AGENT_LOG_FILE_PATH: log };
  return { home, tmp, log, env, readLog: () => readFileSync(log, 'utf8') };
}

export interface AgentProcess {
  pid: number;
  out(): string;
  err(): string;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts the program; it is killed with the test. */
export function startProgram(
  bin: string,
  args: readonly string[],
  { env, cwd }: { env: Readonly<Record<string, string>>; cwd: string },
): AgentProcess {
  const child = spawn(bin, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const kill = (signal: NodeJS.Signals): void => void (child.exitCode === null && child.kill(signal));
  onTestFinished(async () => {
    kill('SIGKILL');
    await ended;
  });
  return { pid: child.pid ?? 0, out: () => out, err: () => err, kill, ended };
}

/** Waits until something holds; throws with what was waited for, and what is known. */
export async function until(condition: () => boolean, what: string, known: () => string = () => ''): Promise<void> {
  for (const end = Date.now() + 60_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 10))) {
    if (Date.now() > end) throw new Error(`did not come: ${what}\n${known()}`);
  }
}

export const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Whether a process has these words in its command line. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
