import { randomBytes, randomInt } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  runProcess,
  TaskProcesses,
  type Cgroups,
  type ProcessResult,
  type ProcessSpec,
} from '../../src/execution/index.ts';
import { killTask, Survivors } from '../support/survivors.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/runner.ts';

export interface RunningStep {
  /** Working directory; scripts may leave files there. */
  directory: string;
  tag: string;
  processes: TaskProcesses;
  survivors: Survivors;
  result: Promise<ProcessResult>;
  log(): string;
  /** Waits for a text in the log. */
  said(text: string): Promise<void>;
  stop(): void;
  /** Ends the task as the runner does after its last step, and fails when something has survived. */
  expectNothingLeft(): Promise<void>;
}

/**
 * Starts a bash script as the only step of a task. `sleep 1000` in it sleeps so long that nothing else on the machine does, so that it
 * is found whatever it did.
 */
export function startStep(
  script: string,
  spec: Partial<ProcessSpec> = {},
  cgroups?: Pick<Cgroups, 'task'>,
): RunningStep {
  const nap = `1000.${randomInt(1e9, 1e10)}`;
  const named = (text: string) => text.replaceAll(/\b1000\b/g, nap);
  const directory = spec.cwd ?? tempDir();
  const file = join(tempDir(), 'output.log');
  const logFd = openSync(file, 'a+', 0o600);
  const tag = `1-${randomBytes(9).toString('base64url')}`;
  const processes = new TaskProcesses(tag, { cgroup: cgroups?.task(tag) });
  const survivors = new Survivors(tag, nap);
  const stop = new AbortController();
  const log = () => readFileSync(file, 'utf8');
  onTestFinished(async () => {
    killTask(tag);
    await processes.cgroup?.remove();
    closeSync(logFd);
  });
  const result = runProcess(
    {
      command: 'bash',
      args: ['-c', named(script)],
      cwd: directory,
      stop: { signal: 'SIGTERM', graceMs: 500 },
      ...spec,
      env: { PATH: process.env['PATH'] ?? '', ...spec.env, DAEMON: named(spec.env?.['DAEMON'] ?? '') },
    },
    { logFd, exitFile: join(tempDir(), 'exit.1'), processes, signal: stop.signal },
  );
  return {
    directory,
    tag,
    processes,
    survivors,
    result,
    log,
    said: async (text) => {
      await eventually(() => log().includes(text), 30_000);
    },
    stop: () => stop.abort(),
    expectNothingLeft: async () => {
      await processes.end();
      await survivors.expectNone();
    },
  };
}
