import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { codeOf, messageOf } from '../lib/index.ts';
import { launchAs, setprivMissing } from './identity.ts';
import { captureTagVariable, signalGroup, taskTagVariable } from './process-tree.ts';
import { umaskCommand } from './tool-umask.ts';
import type { CaptureResult, ProcessResult, ProcessSpec } from './types.ts';
import { which } from './which.ts';

/** More output than this from a helper means something is wrong; it is ended. */
const maxCaptureBytes = 16 * 1024 * 1024;

export interface CaptureOptions {
  tag: string;
  signal: AbortSignal;
  /** It gets the umask of tools instead of ours: what it makes is the task's. @default false */
  isTool?: boolean;
  /** What it reads from its standard input. @default nothing */
  input?: string | Buffer;
}

/**
 * Runs a short helper process (`git log -1`, …) and returns what it printed. It has a process group of its own that is
 * killed when `signal` is aborted or when it prints more than 16 MiB. Never rejects.
 */
export function captureProcess(spec: ProcessSpec, options: CaptureOptions): Promise<CaptureResult> {
  const done = (result: ProcessResult): CaptureResult => ({ result, stdout: '', stderr: '' });
  if (options.signal.aborted) return Promise.resolve(done({ kind: 'stopped' }));
  const executable = which(spec.command, spec.env['PATH'] ?? '', spec.cwd);
  if (executable.kind === 'missing' || !existsSync(spec.cwd)) {
    const message = executable.kind === 'missing' ? `${spec.command} was not found` : `${spec.cwd} does not exist`;
    return Promise.resolve(done({ kind: 'unstartable', code: 'ENOENT', message }));
  }
  const env = { ...spec.env, [taskTagVariable]: options.tag, [captureTagVariable]: options.tag };
  const launch = launchAs(spec, env, ...withUmask(options.isTool === true, executable.path, spec.args));
  if (!launch) return Promise.resolve(done({ kind: 'unstartable', code: 'EPERM', message: setprivMissing }));
  return new Promise((resolve) => {
    const unstartable = (error: unknown): void =>
      resolve(done({ kind: 'unstartable', code: codeOf(error) ?? 'EUNKNOWN', message: messageOf(error) }));
    const child = attempt(unstartable, () =>
      spawn(launch.command, launch.args, {
        cwd: spec.cwd,
        detached: true,
        stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
        ...launch.options,
      }),
    );
    child?.once('error', unstartable);
    // Where no descriptor was left for its pipes, the child has none.
    if (child?.pid === undefined || !child.stdout || !child.stderr) return;
    child.stdin?.on('error', () => undefined); // It may end without having read its input.
    child.stdin?.end(options.input);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let size = 0;
    const end = (): void => {
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
    };
    const collect = (into: Buffer[]) => (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxCaptureBytes) end();
      else into.push(chunk);
    };
    child.stdout.on('data', collect(out));
    child.stderr.on('data', collect(err));
    options.signal.addEventListener('abort', end, { once: true });
    const settle = (result: ProcessResult): void => {
      options.signal.removeEventListener('abort', end);
      resolve({ result, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') });
    };
    // The group goes with its leader, so that a grandchild holding the pipe cannot keep 'close' from coming.
    child.once('exit', end);
    child.once('close', (code, signal) => {
      if (options.signal.aborted) settle({ kind: 'stopped' });
      else if (code !== null) settle({ kind: 'exited', code });
      else settle({ kind: 'signalled', signal: signal ?? 'SIGKILL' });
    });
  });
}

function withUmask(isTool: boolean, path: string, args: readonly string[]): [string, readonly string[]] {
  const umask = isTool ? umaskCommand() : '';
  return umask === '' ? [path, args] : ['/bin/sh', ['-c', `${umask}exec "$@"`, 'semaphore-helper', path, ...args]];
}

/** What `work` gives; undefined, with the error told to `onError`, when it throws. */
function attempt<Result>(onError: (error: unknown) => void, work: () => Result): Result | undefined {
  try {
    return work();
  } catch (error: unknown) {
    onError(error);
    return undefined;
  }
}
