import { spawn, type ChildProcess } from 'node:child_process';
import { captureTagVariable, which } from '../../execution/index.ts';
import { codeOf, messageOf } from '../../lib/index.ts';

/** At most so much of what a command prints is kept, bytes: lists and documents of the engine are small. */
const keptOutput = 1024 * 1024;
const keptErrors = 16 * 1024;

/** How the `docker` command is called. */
export interface DockerCommand {
  /** Before every command: the host, and what TLS needs. */
  options: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Marks the processes, so that a later runner finds those of a killed one. */
  tag: string;
}

export interface CallOptions {
  input?: Buffer | undefined;
  /** What it prints, as it comes; it is not collected then. */
  onStdout?: ((bytes: Buffer) => void) | undefined;
  /** Aborted, the command is killed. */
  signal?: AbortSignal | undefined;
  /** The command is killed after so long; undefined for never. Milliseconds. */
  timeoutMs?: number | undefined;
}

export type CallResult =
  /** `code` is null when it was killed by somebody else. */
  | { kind: 'ended'; code: number | null; stdout: string; stderr: string }
  | { kind: 'aborted' }
  | { kind: 'timeout' }
  /** There is no such command, or it cannot be started. */
  | { kind: 'unstartable'; code: string; message: string };

/** Calls the `docker` command; each call is a process in a group of its own, so that Ctrl-C does not reach it. Never rejects. */
export function callDocker(
  docker: DockerCommand,
  args: readonly string[],
  options: CallOptions = {},
): Promise<CallResult> {
  if (options.signal?.aborted) return Promise.resolve({ kind: 'aborted' });
  const found = which('docker', docker.env['PATH'] ?? '', '/');
  if (found.kind === 'missing') {
    return Promise.resolve({ kind: 'unstartable', code: found.code, message: 'the docker command was not found' });
  }
  let child: ChildProcess;
  try {
    child = spawn(found.path, [...docker.options, ...args], {
      cwd: '/',
      detached: true,
      env: { ...docker.env, [captureTagVariable]: docker.tag },
      stdio: [options.input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    });
  } catch (error: unknown) {
    return Promise.resolve(unstartable(error));
  }
  return new Promise((resolve) => supervise(child, options, resolve));
}

function supervise(child: ChildProcess, options: CallOptions, resolve: (result: CallResult) => void): void {
  const { input, onStdout, signal, timeoutMs } = options;
  const out = new Kept(keptOutput);
  const err = new Kept(keptErrors);
  let ending: CallResult | undefined;
  const end = (result: CallResult): void => {
    ending ??= result;
    child.kill('SIGKILL');
  };
  const abort = (): void => end({ kind: 'aborted' });
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => end({ kind: 'timeout' }), timeoutMs);
  const settle = (result: CallResult): void => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    resolve(ending ?? result);
  };
  child.once('error', (error) => settle(unstartable(error)));
  child.stdout?.on('data', (bytes: Buffer) => {
    if (onStdout === undefined) out.add(bytes);
    else if (ending === undefined) onStdout(bytes);
  });
  child.stderr?.on('data', (bytes: Buffer) => err.add(bytes));
  // The pipes of a command that is killed may break; it ends all the same.
  child.stdout?.on('error', () => undefined);
  child.stderr?.on('error', () => undefined);
  // It may end without having read its input; what became of it is in its end.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.on('error', () => undefined);
  child.stdin?.end(input);
  child.once('close', (code) => settle({ kind: 'ended', code, stdout: out.text, stderr: err.text }));
  signal?.addEventListener('abort', abort, { once: true });
}

function unstartable(error: unknown): CallResult {
  return { kind: 'unstartable', code: codeOf(error) ?? 'EUNKNOWN', message: messageOf(error) };
}

/** The last so many bytes of a stream. */
class Kept {
  readonly #limit: number;
  #bytes = Buffer.alloc(0);

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(bytes: Buffer): void {
    const all = Buffer.concat([this.#bytes, bytes]);
    this.#bytes = all.subarray(Math.max(0, all.length - this.#limit));
  }

  get text(): string {
    return this.#bytes.toString('utf8');
  }
}
