import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf, messageOf, processStartTime } from '../lib/index.ts';
import { enterCommand } from './enter-command.ts';
import { parseExitRecord, readExitFile, type ExitRecord } from './exit-file.ts';
import { launchAs, setprivMissing } from './identity.ts';
import { signalGroup, taskTagVariable } from './process-tree.ts';
import { drainMs, resultOfCode } from './result.ts';
import { climbLadder, type RunningLadder } from './stop-ladder.ts';
import type { TaskCgroup } from './task-cgroup.ts';
import { markCommand } from './task-mark.ts';
import type { TaskProcesses } from './task-processes.ts';
import { umaskCommand } from './tool-umask.ts';
import type { ProcessResult, ProcessSpec } from './types.ts';
import { which } from './which.ts';

/**
 * The shell around every tool. First it becomes part of the task: it marks itself and enters the cgroup, so that all that follows
 * is born into both. Two things it does must go on when the runner is killed: it writes its own pid and then
 * the tool's exit code to descriptor 3 (a file; 4 tells a living runner at once), and it puts a pipe with a `cat` behind it
 * between the tool and the log. Without the pipe a script's `echo … > /dev/stderr` would open the log file itself and truncate it.
 * The traps keep the shells alive through a signal to the group; unlike ignored signals they are not inherited by the
 * tool. `cat` ignores the signals and ends with the pipe, so that nothing a tool says while it stops is lost. Where it cannot
 * write (the disk is full) it says why, and what follows is read and thrown away, so that the tool can be stopped as it
 * should be instead of dying of a broken pipe. What the shell itself would say of a killed tool ("Terminated") goes to /dev/null.
 */
const firstActs = 'trap : HUP INT QUIT TERM; echo $$ >&3; ';
const wrapperScript =
  '{ trap : HUP INT QUIT TERM; (exec "$@" 2>&1 3>&- 4>&-); code=$?; echo "$code" >&3; echo "$code" >&4; } 2>/dev/null | ' +
  '{ trap "" HUP INT QUIT TERM; exec 5>&1; why=$(cat 2>&1 >&5 3>&- 4>&- 5>&-) && exit; ' +
  'echo "unlogged $why" >&3; echo "unlogged $why" >&4; exec cat >/dev/null 3>&- 4>&- 5>&-; }';

/** What the shell does instead when there are limits and it cannot enter the cgroup that keeps them. */
const refuse =
  '{ echo "The cgroup of this task cannot be entered: the tool was not started."; echo 126 >&3; exit 126; }';

/**
 * Put before the script for a tool with standard input. What Node.js calls a pipe is a socket, and bash with a socket as
 * standard input takes itself for a remote shell and reads `~/.bashrc`; many a "terraform" is a bash script.
 */
const withStdin = 'cat 2>/dev/null 3>&- 4>&- | ';

export interface RunProcessOptions {
  /** Append-only descriptor that becomes stdout and stderr. */
  logFd: number;
  /** File that pid and exit code are written to; created, mode 0600. */
  exitFile: string;
  /** All processes of the task, of which this one becomes part. */
  processes: TaskProcesses;
  /** Ends the process and everything it started when aborted. */
  signal: AbortSignal;
  /** Called once with the pid (also the process group) and its start time. */
  onStart?: (pid: number, startTime: string | undefined) => void;
}

/**
 * Runs one process in a session of its own with the log file as stdout and stderr, and resolves when it has ended and
 * nothing of its process group is left. Never rejects: whatever happens is a ProcessResult.
 */
export async function runProcess(spec: ProcessSpec, options: RunProcessOptions): Promise<ProcessResult> {
  if (options.signal.aborted) return { kind: 'stopped' };
  const executable = which(spec.command, spec.env['PATH'] ?? '', spec.cwd);
  if (executable.kind === 'missing') return unstartable(spec, executable.code);
  if (!existsSync(spec.cwd)) {
    return { kind: 'unstartable', code: 'ENOENT', message: `the working directory ${spec.cwd} does not exist` };
  }
  const { cgroup, tag } = options.processes;
  const opened: number[] = [];
  try {
    const exitFd = openSync(options.exitFile, 'w', 0o600);
    opened.push(exitFd);
    const entrances = entrancesOf(cgroup);
    opened.push(...entrances);
    const enter = enterCommand(entrances.length, cgroup?.isRequired ? refuse : ':');
    const script = `${umaskCommand()}${firstActs}${markCommand(tag)}${enter}${spec.stdin ? withStdin : ''}${wrapperScript}`;
    const env = { ...spec.env, [taskTagVariable]: tag };
    const launch = launchAs(spec, env, '/bin/sh', ['-c', script, 'semaphore-step', executable.path, ...spec.args]);
    if (!launch) return { kind: 'unstartable', code: 'EPERM', message: setprivMissing };
    const child = spawn(launch.command, launch.args, {
      cwd: spec.cwd,
      detached: true,
      stdio: [spec.stdin ? 'pipe' : 'ignore', options.logFd, options.logFd, exitFd, 'pipe', ...entrances],
      ...launch.options,
    });
    return await supervise(child, spec, options);
  } catch (error: unknown) {
    return notStarted(error);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** Descriptors by which the shell enters the task's cgroup. Throws the system error when there are limits that it must keep. */
function entrancesOf(cgroup: TaskCgroup | undefined): number[] {
  try {
    cgroup?.make();
    return cgroup?.openEntrances() ?? [];
  } catch (error: unknown) {
    if (cgroup?.isRequired) throw error;
    return [];
  }
}

function unstartable(spec: ProcessSpec, code: 'ENOENT' | 'EACCES'): ProcessResult {
  const message =
    code === 'ENOENT'
      ? `${spec.command} was not found${spec.command.includes('/') ? '' : ` in PATH (${spec.env['PATH'] ?? ''})`}`
      : `${spec.command} is there but may not be executed`;
  return { kind: 'unstartable', code, message };
}

function supervise(child: ChildProcess, spec: ProcessSpec, options: RunProcessOptions): Promise<ProcessResult> {
  return new Promise((resolve) => {
    const { pid } = child;
    child.once('error', (error) => resolve(notStarted(error)));
    // Where no descriptor was left for its pipes, the child has none.
    if (pid === undefined) return;
    const told = child.stdio[4];
    let said = '';
    let drainTimer: NodeJS.Timeout | undefined;
    let ladder: RunningLadder | undefined;

    const recordTold = (): ExitRecord => parseExitRecord([String(pid), ...said.split('\n').slice(0, -1)]);
    const stop = (): void => {
      ladder ??= climbLadder(pid, spec.stop, options.processes);
    };
    const settle = (result: ProcessResult): void => {
      if (child.stdin) spec.stdin?.unpipe(child.stdin);
      child.stdin?.destroy();
      clearTimeout(drainTimer);
      told?.destroy();
      options.signal.removeEventListener('abort', stop);
      resolve(result);
    };

    told?.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
      const { code, unlogged } = recordTold();
      if (unlogged !== undefined) stop();
      if (code === undefined) return;
      // The tool has ended; its wrapper lives on while somebody holds the pipe open.
      child.stdin?.destroy();
      // A step that is being stopped has its grace as a whole.
      if (ladder) ladder.toolEnded();
      else drainTimer ??= setTimeout(() => signalGroup(pid, 'SIGKILL'), drainMs);
    });
    told?.on('error', () => undefined);
    if (child.stdin) spec.stdin?.pipe(child.stdin);
    // It ended without reading all of it: its result tells what there is to tell.
    child.stdin?.on('error', () => undefined);
    const result = async (code: number | null): Promise<ProcessResult> => {
      // What the tool left running in its group goes with it, as after every end.
      if (ladder) await ladder.finish();
      else signalGroup(pid, 'SIGKILL');
      if (ladder && options.signal.aborted) return { kind: 'stopped' };
      const written = resultOfRecord(readExitFile(options.exitFile));
      if (written) return written;
      // Where the disk did not take it, it was told all the same.
      if (told && !told.closed) await Promise.race([once(told, 'close'), delay(drainMs)]);
      return resultOfRecord(recordTold()) ?? resultWithout(code);
    };
    child.once('exit', (code) => void result(code).then(settle));
    options.onStart?.(pid, processStartTime(pid));
    if (options.signal.aborted) stop();
    else options.signal.addEventListener('abort', stop, { once: true });
  });
}

function notStarted(error: unknown): ProcessResult {
  return { kind: 'unstartable', code: codeOf(error) ?? 'EUNKNOWN', message: messageOf(error) };
}

function resultOfRecord({ code, unlogged }: ExitRecord): ProcessResult | undefined {
  if (unlogged !== undefined) return { kind: 'unlogged', reason: unlogged };
  return code === undefined ? undefined : resultOfCode(code);
}

/** What became of a tool whose shell has said nothing of it. A shell that gets no process for a tool ends with 2, or as if all was well. */
function resultWithout(code: number | null): ProcessResult {
  if (code === null) return { kind: 'signalled', signal: 'SIGKILL' };
  if (code === 0 || code === 2)
    return { kind: 'unstartable', code: 'EAGAIN', message: 'the system allows no more processes' };
  return { kind: 'unstartable', code: 'EUNKNOWN', message: `the shell around it ended with ${code}` };
}
