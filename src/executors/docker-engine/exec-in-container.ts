import { randomBytes } from 'node:crypto';
import type { ContainerRole, ExecRequest, ExecResult } from '../containers/engine.ts';
import { callDocker, type CallResult, type DockerCommand } from './docker-cli.ts';
import { isConnectionProblem, lastWords } from './failures.ts';
import { lookAt, type ContainerLook } from './look-at.ts';

/**
 * Runs the command and then writes its exit code, with a mark, to standard error. `docker exec` itself tells nothing reliable: it ends with
 * 0 when the connection is lost, or the container dies, and with 1, 126 or 127 of its own. The mark is also the first line of standard
 * output: why a process could not be started the engine says there, too.
 */
const script = 'echo MARK; "$@"; printf "\\n%s %s\\n" MARK "$?" >&2';

export interface ExecIn {
  docker: DockerCommand;
  container: string;
  role: ContainerRole;
  /** `uid:gid`, or the container's own user. */
  user?: string | undefined;
  /** For messages, when there is a limit. */
  memoryLimit: string | undefined;
}

/** Runs a process in a container. Never rejects. */
export async function execInContainer(target: ExecIn, request: ExecRequest): Promise<ExecResult> {
  const { container, docker, user } = target;
  const mark = randomBytes(6).toString('hex');
  const args = [
    'exec',
    ...(request.input === undefined ? [] : ['--interactive']),
    ...(user === undefined ? [] : ['--user', user]),
    container,
    '/bin/sh',
    '-c',
    script.replaceAll('MARK', mark),
    'sh',
    ...request.argv,
  ];
  const output = new MarkedOutput(`${mark}\n`, request.onStdout);
  const result = await callDocker(docker, args, { ...request, onStdout: (bytes) => output.push(bytes) });
  if (result.kind === 'ended') {
    const end = result.stderr.lastIndexOf(`\n${mark} `);
    if (end !== -1) {
      const code = Number.parseInt(result.stderr.slice(end + mark.length + 2), 10);
      return { kind: 'exited', code, stderr: result.stderr.slice(0, end) };
    }
  }
  if (result.kind === 'aborted') return { kind: 'dropped', reason: 'nobody waits for it any more' };
  return afterFailure(target, result, output.foreign);
}

/** Passes on what follows the mark. What does not begin with it is not the command's, and kept for a message. */
class MarkedOutput {
  readonly #mark: Buffer;
  readonly #consume: ((bytes: Buffer) => void) | undefined;
  #begin = Buffer.alloc(0);
  #state: 'waiting' | 'passing' | 'foreign' = 'waiting';

  constructor(mark: string, consume: ((bytes: Buffer) => void) | undefined) {
    this.#mark = Buffer.from(mark, 'latin1');
    this.#consume = consume;
  }

  get foreign(): string {
    return this.#state === 'foreign' ? this.#begin.toString('utf8') : '';
  }

  push(bytes: Buffer): void {
    if (this.#state === 'passing') this.#consume?.(bytes);
    if (this.#state !== 'waiting') return;
    this.#begin = Buffer.concat([this.#begin, bytes]);
    const length = Math.min(this.#begin.length, this.#mark.length);
    if (!this.#begin.subarray(0, length).equals(this.#mark.subarray(0, length))) this.#state = 'foreign';
    else if (length === this.#mark.length) {
      this.#state = 'passing';
      if (this.#begin.length > length) this.#consume?.(this.#begin.subarray(length));
    }
  }
}

async function afterFailure(target: ExecIn, result: CallResult, foreign: string): Promise<ExecResult> {
  const said = result.kind === 'ended' ? wordsOf(`${foreign}${result.stderr}`) : saidOf(result);
  const look = await lookAt(target.docker, target.container);
  switch (look.kind) {
    case 'unknown':
      return { kind: 'dropped', reason: look.reason };
    case 'missing':
      return { kind: 'gone', reason: `the ${target.role} container was removed by somebody else` };
    case 'ended':
      return { kind: 'gone', reason: endOf(target, look) };
    default: {
      const { code, stderr } = result.kind === 'ended' ? result : { code: null, stderr: '' };
      const isReal = code !== null && code > 125 && !isConnectionProblem(stderr);
      // It could not be started, or its shell was killed with it.
      return isReal ? { kind: 'exited', code, stderr } : { kind: 'dropped', reason: said };
    }
  }
}

function wordsOf(stderr: string): string {
  return stderr.trim() === '' ? 'the connection to the Docker engine was lost' : lastWords(stderr);
}

function saidOf(result: CallResult): string {
  return result.kind === 'unstartable' ? result.message : 'the docker command was ended';
}

function endOf({ memoryLimit, role }: ExecIn, look: ContainerLook & { kind: 'ended' }): string {
  const limit = memoryLimit === undefined ? '' : ` (limit ${memoryLimit}, runner.executor.docker.memory_limit)`;
  if (look.outOfMemory) return `the ${role} container ran out of memory${limit}`;
  const error = look.error === '' ? '' : `: ${look.error}`;
  return `the ${role} container ended with ${look.code}${error}; somebody stopped it, or the Docker engine was restarted`;
}
