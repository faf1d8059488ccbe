import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from 'esbuild';
import { onTestFinished } from 'vitest';
import type { RunnerConfig } from '../../../src/config/index.ts';
import { JobDirectory, Seal, TaskProcesses } from '../../../src/execution/index.ts';
import type { Decision, TaskOutcome } from '../../../src/tasks/index.ts';
import type { Delivered } from '../../tasks/support.ts';
import { tempDir } from '../temp-dir.ts';
import type { KillPoint, LifeOptions } from './program.ts';

export type { KillPoint } from './program.ts';

export interface KilledTaskOptions extends Delivered {
  config: (tmpPath: string) => RunnerConfig;
  hostEnv?: Record<string, string>;
  decision?: Decision;
}

export interface Life {
  outcome: TaskOutcome;
  statuses: string[];
  /** Processes of the task that were left when it had ended, but for those that serve it. */
  survivors: number;
  /** How often the task asked its host for something. */
  points: number;
}

/** A task whose runner is really killed, as often as a test likes. */
export interface KilledTask {
  /** The work root; project directories are below. */
  work: string;
  /** Starts a runner that begins the task or goes on with it. Undefined when it was killed. */
  live(kill?: KillPoint): Promise<Life | undefined>;
  /** The same with a runner that is to stop the task. */
  stop(): Promise<Life | undefined>;
  /** The log so far, without what differs from task to task. */
  log(): string[];
  /** Keys of the steps that were started, in order. */
  started(): string[];
  /** Resolves when the step with this key has ended, with or without a runner. */
  ended(key: string): Promise<void>;
  /** What is left below the work root that belongs to the task alone. */
  leftovers(): string[];
  /** Processes of the task that are alive. */
  processes(): TaskProcesses;
}

/** How long one life may take, milliseconds. */
const patienceMs = 120_000;

let program: Promise<string> | undefined;

export function killedTask({ config, decision, hostEnv, job, keys }: KilledTaskOptions): KilledTask {
  const directory = tempDir('kill-');
  const work = join(directory, 'work');
  mkdirSync(work);
  // Tools of another user pass through both.
  chmodSync(directory, 0o711);
  chmodSync(work, 0o711);
  onTestFinished(async () => {
    const left = openJob(directory);
    if (left) await new TaskProcesses(left.tag, { takenOver: true }).end();
    left?.close();
  });
  const events = () => {
    const open = openJob(directory);
    const list = open?.events() ?? [];
    open?.close();
    return list;
  };
  const life = (): LifeOptions => ({
    directory,
    job,
    keys: [...keys],
    config: config(work),
    hostEnv: { PATH: process.env['PATH'] ?? '', HOME: work, ...hostEnv },
    decision,
  });
  return {
    work,
    live: (kill) => live(directory, { ...life(), kill }),
    stop: () => live(directory, { ...life(), stopped: true }),
    log: () => {
      const text = readFileSync(join(directory, 'jobs', '1', 'output.log'), 'utf8');
      return text.replaceAll(directory, '<directory>').split('\n').slice(0, -1);
    },
    started: () => events().flatMap((event) => (event.type === 'step-starting' ? [event.key] : [])),
    ended: async (key) => {
      const index = events().find((event) => event.type === 'step-starting' && event.key === key);
      if (index?.type !== 'step-starting') throw new Error(`no step ${key} was started`);
      const exitFile = join(directory, 'jobs', '1', `exit.${index.index}`);
      // The pid, and the exit code behind it.
      while (readFileSync(exitFile, 'utf8').split('\n').length < 3) await delay(20);
    },
    leftovers: () =>
      readdirSync(work, { recursive: true, encoding: 'utf8' }).filter((name) => /task_\d+|\.owner-|\.busy-/.test(name)),
    processes: () => {
      const open = openJob(directory);
      if (!open) throw new Error('there is no job');
      open.close();
      return new TaskProcesses(open.tag, { takenOver: true });
    },
  };
}

async function live(directory: string, options: LifeOptions): Promise<Life | undefined> {
  const [file, result] = [join(directory, 'life.json'), join(directory, 'result.json')];
  rmSync(result, { force: true });
  writeFileSync(file, JSON.stringify(options));
  const child = spawn(process.execPath, [await (program ??= buildProgram()), file, result], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: patienceMs,
    killSignal: 'SIGABRT',
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code, signal] = await once(child, 'exit');
  if (existsSync(result)) return JSON.parse(readFileSync(result, 'utf8')) as Life;
  if (signal === 'SIGKILL') return undefined;
  throw new Error(`the runner ended with ${code} ${signal}:\n${said}`);
}

function openJob(directory: string): JobDirectory | undefined {
  return JobDirectory.open(join(directory, 'jobs'), 1, Seal.fromToken('test'));
}

/** Once per test file. */
async function buildProgram(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'semaphore-killed-task-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const outfile = join(directory, 'program.cjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'program.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    mainFields: ['module', 'main'],
    supported: { 'dynamic-import': false },
    external: ['@napi-rs/keyring', 'cpu-features', '*.node'],
    define: { 'import.meta.dirname': JSON.stringify(join(import.meta.dirname, '../../../src/tasks')) },
    logLevel: 'error',
  });
  return outfile;
}

/** Does `work` for every `step`-th of the numbers up to `count`, a few at a time: most of it is waiting. */
export async function inBatches(count: number, step: number, work: (number: number) => Promise<void>): Promise<void> {
  const numbers = Array.from({ length: Math.floor(count / step) }, (_value, index) => (index + 1) * step);
  const worker = async (): Promise<void> => {
    for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) await work(number);
  };
  await Promise.all(Array.from({ length: 4 }, worker));
}
