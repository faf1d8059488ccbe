import { fork } from 'node:child_process';
import { closeSync, openSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { PtyProcess } from '../src/execution/index.ts';
import { ShellSession } from '../src/executors/shell-session/index.ts';
import { percentile, type Figure } from './table.ts';
import { until, Workbench } from './workbench.ts';

const sizes = [
  { name: '128 B', bytes: 128, times: 100 },
  { name: '10 KB', bytes: 10_000, times: 100 },
  { name: '1 MB', bytes: 1_000_000, times: 10 },
  { name: '100 MB', bytes: 100_000_000, times: 1 },
];

const line = 'ok: [web1.example.com] => the output of an ordinary job, 72 bytes line\n';
const lineBytes = line.length;

/** Seconds of each run, by size, and the peak memory of the process that ran them, megabytes. */
interface Report {
  session: Record<string, number[]>;
  bare: Record<string, number[]>;
  peak: number;
}

/**
 * A command of a job that prints so much, from the call to its stored events; in a process of its own for the sake of its memory.
 * Floor: the same file printed by a plain shell in a pseudo-terminal, its bytes counted.
 */
export async function session(): Promise<Figure[]> {
  const bench = new Workbench();
  try {
    for (const { bytes } of sizes)
      bench.write(`${bytes}.txt`, `${line.repeat(Math.ceil(bytes / lineBytes)).slice(0, bytes - 1)}\n`);
    const report = await new Promise<Report>((resolve, reject) => {
      const worker = fork(process.argv[1] ?? '', ['session-worker', bench.directory]);
      worker.once('message', (message: Report) => resolve(message));
      worker.once('exit', (code) => reject(new Error(`the worker ended with ${code}`)));
    });
    const figures = sizes.map(({ name, bytes }): Figure => {
      const seconds = percentile(report.session[name] ?? [], 0.5);
      const floor = percentile(report.bare[name] ?? [], 0.5);
      if (bytes >= 100_000_000) {
        const [value, bare] = [seconds, floor].map((time) => bytes / 1e6 / time);
        return {
          name: `session: a command that prints ${name}`,
          value: value ?? 0,
          unit: 'MB/s',
          goal: { atLeast: 20 },
          floor: bare ?? 0,
        };
      }
      const figure = {
        name: `session: a command that prints ${name}, median`,
        value: seconds * 1000,
        unit: 'ms',
        floor: floor * 1000,
      };
      return bytes === 128 ? { ...figure, goal: { atMost: 15 } } : figure;
    });
    return [...figures, { name: 'session: peak memory', value: report.peak, unit: 'MB', goal: { atMost: 120 } }];
  } finally {
    await bench.close();
  }
}

/** What the process of `session` does. */
export async function sessionWorker(directory: string): Promise<never> {
  const own = await timeSession(directory);
  const peak = process.resourceUsage().maxRSS / 1024;
  const report: Report = { session: own, peak, bare: await timeBare(directory) };
  await new Promise((resolve) => process.send?.(report, resolve));
  process.exit(0);
}

const env = { PATH: process.env['PATH'] ?? '', HOME: '/', LANG: 'C.UTF-8' };

async function timeSession(directory: string): Promise<Report['session']> {
  const log = { info: console.log, warn: console.warn };
  const shell = new ShellSession({ command: 'bash', args: ['--login'], cwd: '/', env, log });
  const started = await shell.start();
  if (started.kind === 'failed') throw new Error(started.reason);
  const path = join(directory, 'events');
  const file = openSync(path, 'a');
  const seconds: Report['session'] = {};
  for (const { name, bytes, times } of sizes) {
    seconds[name] = await repeat(times, async () => {
      let received = 0;
      const { exitCode } = await shell.run(`cat ${directory}/${bytes}.txt`, {
        onOutput: (output) => {
          received += output.length;
          writeSync(
            file,
            `${JSON.stringify({ event: 'cmd_output', timestamp: Math.floor(Date.now() / 1000), output })}\n`,
          );
        },
      });
      if (exitCode !== 0 || received !== bytes) throw new Error(`${received} of ${bytes} bytes, exit code ${exitCode}`);
    });
  }
  closeSync(file);
  await shell.stop();
  if (statSync(path).size < 100_000_000) throw new Error('the events are not all there');
  writeFileSync(path, '');
  return seconds;
}

async function timeBare(directory: string): Promise<Report['bare']> {
  let received = 0;
  let wanted = Infinity;
  let arrived: (() => void) | undefined;
  const shell = new PtyProcess(
    { command: 'sh', args: [], cwd: '/', env },
    {
      onData: (chunk) => {
        received += chunk.length;
        if (received >= wanted) arrived?.();
      },
      onExit: () => undefined,
    },
  );
  // Without echo and prompt nothing else comes.
  shell.write('PS1=; stty -echo; printf ready\n');
  await until('the plain shell is ready', () => received > 0);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const seconds: Report['bare'] = {};
  for (const { name, bytes, times } of sizes) {
    seconds[name] = await repeat(times, async () => {
      received = 0;
      // The terminal sends CR LF.
      wanted = bytes + Math.ceil(bytes / lineBytes);
      const complete = new Promise<void>((resolve) => (arrived = resolve));
      shell.write(`cat ${directory}/${bytes}.txt\n`);
      await complete;
    });
  }
  await shell.stop(1000);
  return seconds;
}

async function repeat(times: number, work: () => Promise<void>): Promise<number[]> {
  const seconds: number[] = [];
  for (let index = 0; index < times; index += 1) {
    const start = performance.now();
    await work();
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds;
}
