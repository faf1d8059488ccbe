import type { ProcessResult } from '../execution/index.ts';
import { assertNever, shortageHint } from '../lib/index.ts';
import { classifyFailure, type GitFailure, type GitFailureKind } from './failure.ts';
import type { CheckoutRequest, GitHost, GitStep } from './types.ts';

export type GitOutcome<T = undefined> =
  | { kind: 'ok'; value: T }
  | { kind: 'stopped' }
  | { kind: 'failed'; failure: GitFailure };

/** Runs git for one checkout: always the same environment, user and way to stop. */
export class Git {
  readonly #request: CheckoutRequest;
  readonly #host: GitHost;
  readonly #env: Readonly<Record<string, string>>;
  readonly #counts: Map<string, number>;

  constructor(
    request: CheckoutRequest,
    host: GitHost,
    env: Readonly<Record<string, string>>,
    counts = new Map<string, number>(),
  ) {
    this.#request = request;
    this.#host = host;
    this.#env = env;
    this.#counts = counts;
  }

  /** The same by another host, the one of some work that is done once. */
  on(host: GitHost): Git {
    return new Git(this.#request, host, this.#env, this.#counts);
  }

  /** Runs git with its output live in the log. `name` is part of the step's key. */
  async run(name: string, cwd: string, args: readonly string[], env: Record<string, string> = {}): Promise<GitOutcome> {
    const step = this.#step(name, cwd, args, env);
    const result = await this.#host.run(step);
    if (succeeded(result)) return { kind: 'ok', value: undefined };
    return failure(result, result.kind === 'exited' ? await this.#host.tail(step.key) : '');
  }

  /** Runs git that has nothing to say unless something is amiss; that goes to the log when it ends. Cheaper than `run`. */
  async runQuietly(name: string, cwd: string, args: readonly string[]): Promise<GitOutcome> {
    const { result, stdout, stderr } = await this.#host.capture(this.#step(name, cwd, args, {}));
    for (const line of (stdout + stderr).split(/\r?\n/)) if (line !== '') this.#host.log(line);
    return succeeded(result) ? { kind: 'ok', value: undefined } : failure(result, stderr);
  }

  /** Runs git for what it prints on standard output. */
  async read(name: string, cwd: string, args: readonly string[]): Promise<GitOutcome<string>> {
    const { result, stdout, stderr } = await this.#host.capture(this.#step(name, cwd, args, {}));
    return succeeded(result) ? { kind: 'ok', value: stdout } : failure(result, stderr);
  }

  #step(name: string, cwd: string, args: readonly string[], env: Record<string, string>): GitStep {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    const { keyPrefix, stop, uid, gid } = this.#request;
    const key = `${keyPrefix}-${name}${count > 1 ? `-${count}` : ''}`;
    return { key, command: 'git', args, cwd, env: { ...this.#env, ...env }, stop, uid, gid };
  }
}

function succeeded(result: ProcessResult): boolean {
  return result.kind === 'exited' && result.code === 0;
}

function failure(result: ProcessResult, output: string): GitOutcome<never> {
  switch (result.kind) {
    case 'stopped':
      return { kind: 'stopped' };
    case 'unstartable': {
      const hint = shortageHint(result.code);
      if (hint === undefined) return failed('no-git', result.message, false);
      return failed('shortage', result.message, true, hint);
    }
    case 'unlogged':
      return failed(
        'shortage',
        `what it says could not be written to the log of the task (${result.reason})`,
        false,
        shortageHint('ENOSPC'),
      );
    case 'signalled':
      return failed('other', `git was ended by ${result.signal}`, true);
    case 'lost':
      return failed('other', 'git was killed', true);
    case 'gone':
      return failed('gone', result.reason, false);
    case 'exited':
      return { kind: 'failed', failure: classifyFailure(output) };
    default:
      return assertNever(result);
  }
}

function failed(kind: GitFailureKind, said: string, retryable: boolean, hint?: string): GitOutcome<never> {
  return { kind: 'failed', failure: { kind, said, retryable, hint } };
}
