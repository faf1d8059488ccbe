import { setTimeout as delay } from 'node:timers/promises';
import { processStartTime } from '../lib/index.ts';
import { readExitFile } from './exit-file.ts';
import { isOfTask } from './find-processes.ts';
import { readStat } from './proc.ts';
import { signalGroup } from './process-tree.ts';
import { drainMs, resultOfCode } from './result.ts';
import { climbLadder, type RunningLadder } from './stop-ladder.ts';
import type { TaskProcesses } from './task-processes.ts';
import type { ProcessResult, StopLadder } from './types.ts';

/** Between two looks at a process that is not our child, milliseconds. */
const lookMs = 50;
/** How long a process that was just started may take to write its pid, milliseconds. */
const pidPatienceMs = 2000;

export interface TakeOverOptions {
  exitFile: string;
  /** What was noted of the process when it was started, if the runner lived that long. */
  pid: number | undefined;
  startTime: string | undefined;
  /** All processes of the task. */
  processes: TaskProcesses;
  stop: StopLadder;
  /** Ends the process and everything it started when aborted. */
  signal: AbortSignal;
}

/**
 * Waits for the end of a process that an earlier runner started with `runProcess`, as if it were ours: it can be stopped,
 * what it leaves in its group is ended, and its exit code is in its file. Undefined when it was never started, because the
 * runner was killed just before: then nothing of it has happened. Never rejects.
 */
export async function takeOverProcess(options: TakeOverOptions): Promise<ProcessResult | undefined> {
  const pid = options.pid ?? (await writtenPid(options));
  if (pid === undefined) return undefined;
  let ladder: RunningLadder | undefined;
  let endedAt: number | undefined;
  while (isSame(pid, options)) {
    const { code, unlogged } = readExitFile(options.exitFile);
    if (options.signal.aborted || unlogged !== undefined) ladder ??= climbLadder(pid, options.stop, options.processes);
    if (endedAt === undefined) {
      if (code !== undefined) endedAt = Date.now();
    } else if (ladder) ladder.toolEnded();
    else if (Date.now() - endedAt >= drainMs) signalGroup(pid, 'SIGKILL');
    await delay(lookMs);
  }
  await ladder?.finish();
  endGroup(pid, options.processes);
  const { code, unlogged } = readExitFile(options.exitFile);
  if (ladder && options.signal.aborted) return { kind: 'stopped' };
  if (unlogged !== undefined) return { kind: 'unlogged', reason: unlogged };
  return code === undefined ? { kind: 'lost' } : resultOfCode(code);
}

/** What the tool left running in its group goes with it, as after every end. A group of this number may be another's by now. */
function endGroup(pid: number, processes: TaskProcesses): void {
  if (processes.list().some(({ group }) => group === pid)) signalGroup(pid, 'SIGKILL');
}

/** The pid that the process wrote as its first act; nothing of the task runs when there is none. */
async function writtenPid({ exitFile, processes }: TakeOverOptions): Promise<number | undefined> {
  for (let waited = 0; waited < pidPatienceMs; waited += lookMs) {
    const { pid } = readExitFile(exitFile);
    if (pid !== undefined) return pid;
    if (processes.list().length === 0) return readExitFile(exitFile).pid;
    await delay(lookMs);
  }
  return undefined;
}

/** True while `pid` is still the process that was started: pids are used again, start times and tags are not. */
function isSame(pid: number, { startTime, processes }: TakeOverOptions): boolean {
  // A dead one may wait for a parent that does not look: in a container process 1 may never do so.
  if (readStat(pid)?.state === 'Z') return false;
  return startTime === undefined ? isOfTask(pid, processes.tag) : processStartTime(pid) === startTime;
}
