import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, UserError } from '../../lib/index.ts';
import type { ContainerRole, ExecRequest, ExecResult, TaskContainers } from '../containers/engine.ts';
import { countKills, killsIn, killsText } from '../containers/task-container.ts';
import type { ExecEnd, ExecStream, KubernetesClient, Pod } from '../kubernetes/index.ts';
import { failure, hintOf } from './connection.ts';
import { fateOf, memoryLimitOf, partingOf } from './fate.ts';
import { Tail } from './tail.ts';
import { graceSeconds } from './task-pod.ts';

/** Beyond its grace, how long a pod may take to go; then its node is taken to be lost. Milliseconds. */
const goneMs = 60_000;
/** Longest time for a small thing, milliseconds. */
const quickMs = 30_000;
/** Most that is kept of the standard error of a process. */
const maxStderrBytes = 16 * 1024;

export interface PodContainersOptions {
  client: () => Promise<KubernetesClient>;
  name: string;
  /** Between two looks at a pod that is going, milliseconds. */
  pollMs: number;
}

/** The pod of one task; it need not be there. */
export class PodContainers implements TaskContainers {
  readonly name: string;
  readonly #options: PodContainersOptions;
  /** `over`: it is gone, which was said, or is to go. */
  #use: 'unused' | 'used' | 'over' = 'unused';

  constructor(options: PodContainersOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async exec(role: ContainerRole, request: ExecRequest): Promise<ExecResult> {
    const stderr = new Tail(maxStderrBytes);
    let end: ExecEnd;
    try {
      end = await this.#run(role, request, stderr);
    } catch (error: unknown) {
      if (request.signal?.aborted === true) return { kind: 'dropped', reason: 'nobody waits for it any more' };
      const hint = hintOf(error);
      return await this.#afterLoss(role, `${messageOf(error)}${hint === undefined ? '' : `. ${hint}`}`);
    }
    if (end.kind === 'exited') {
      this.#use = 'used';
      return { ...end, stderr: stderr.text() };
    }
    if (request.signal?.aborted === true) return { kind: 'dropped', reason: 'nobody waits for it any more' };
    return unstartable(end) ?? (await this.#afterLoss(role, end.reason));
  }

  async #run(role: ContainerRole, request: ExecRequest, stderr: Tail): Promise<ExecEnd> {
    const { argv, input, onStdout = () => undefined, signal } = request;
    signal?.throwIfAborted();
    const client = await this.#options.client();
    const stream = await client.exec({
      pod: this.name,
      container: role,
      argv,
      stdin: input !== undefined,
      onStdout,
      onStderr: (bytes) => stderr.push(bytes),
      signal,
    });
    const giveUp = (): void => stream.close();
    signal?.addEventListener('abort', giveUp, { once: true });
    if (signal?.aborted === true) giveUp();
    try {
      if (input !== undefined) await give(stream, input);
      return await stream.ended;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  /** What has become of the container that something went wrong with. */
  async #afterLoss(role: ContainerRole, reason: string): Promise<ExecResult> {
    const pod = await this.#look();
    // What was said first is nearer to the cause.
    const fate = pod === 'unknown' ? undefined : fateOf(pod, role);
    if (fate === undefined) return { kind: 'dropped', reason };
    this.#use = 'over';
    return { kind: 'gone', reason: fate };
  }

  async hits(): Promise<string[]> {
    if (this.#use !== 'used') return [];
    const pod = await this.#look();
    if (pod === 'unknown') return [];
    const fate = fateOf(pod, 'build') ?? (pod && partingOf(pod));
    if (fate !== undefined) return [`Meanwhile something has become of the pod of this task: ${fate}.`];
    const limit = pod && memoryLimitOf(pod, 'build');
    const kills = limit === undefined ? 0 : await this.#kills();
    return kills === 0 ? [] : [killsText(kills, `${limit}, by a LimitRange of the namespace`)];
  }

  async #kills(): Promise<number> {
    const printed: Buffer[] = [];
    const argv = ['/bin/sh', '-c', countKills];
    const signal = AbortSignal.timeout(quickMs);
    await this.exec('build', { argv, signal, onStdout: (bytes) => printed.push(bytes) });
    return killsIn(Buffer.concat(printed).toString('latin1'));
  }

  async #look(): Promise<Pod | undefined | 'unknown'> {
    try {
      return await (await this.#options.client()).getPod(this.name);
    } catch {
      return 'unknown';
    }
  }

  async remove(graceMs: number): Promise<void> {
    this.#use = 'over';
    try {
      const client = await this.#options.client();
      if (!(await client.deletePod(this.name, { graceSeconds: graceSeconds(graceMs) }))) return;
      if (await this.#isGone(client, graceMs + goneMs)) return;
      // Nobody on its node says that it has ended.
      await client.deletePod(this.name, { graceSeconds: 0 });
      if (await this.#isGone(client, goneMs)) return;
    } catch (error: unknown) {
      throw failure(`remove the pod ${this.name}`, error);
    }
    throw new UserError(`The pod ${this.name} is not removed by the cluster`, {
      hint: 'Something holds it: see its finalizers, kubectl get pod -o yaml.',
    });
  }

  async #isGone(client: KubernetesClient, patienceMs: number): Promise<boolean> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      if (!(await client.getPod(this.name))) return true;
      if (Date.now() >= deadline) return false;
      await delay(this.#options.pollMs);
    }
  }
}

async function give(stream: ExecStream, input: Buffer): Promise<void> {
  try {
    await stream.write(input);
    stream.endInput();
  } catch {
    // Nobody reads it any more: the end of the process tells why.
  }
}

/** The container runs, the program does not: as a shell has it. */
function unstartable(end: ExecEnd): ExecResult | undefined {
  if (end.kind !== 'failed') return undefined;
  const { reason } = end;
  if (/executable file not found|no such file or directory/i.test(reason))
    return { kind: 'exited', code: 127, stderr: reason };
  return /permission denied/i.test(reason) ? { kind: 'exited', code: 126, stderr: reason } : undefined;
}
