import type { ProcessResult, ProcessSpec } from '../../execution/index.ts';
import { Backoff, systemClock } from '../../lib/index.ts';
import type { ContainerRole, ExecResult, TaskContainers } from './engine.ts';
import { launchText } from './launch-text.ts';
import { readReport, resultOf, type StepReport } from './step-report.ts';
import { attachCommand, stopCommand } from './step-scripts.ts';

/** Beyond the grace of a step, how long an engine may take to end it before it is given up, milliseconds. */
const stopPatienceMs = 15_000;
/** Longer than the script at the other end ever reads: then nobody is there. Milliseconds. */
const readPatienceMs = 15 * 60_000;
/** How often a step is begun whose text did not arrive as a whole. */
const maxStarts = 3;
/** When an engine that cannot be reached is worth a line in the log. */
const failuresToTell = 5;

/** One process of a task in one of its containers. */
export interface ContainerStep {
  containers: TaskContainers;
  role: ContainerRole;
  /** Where its output and its record are, in the container. */
  directory: string;
  kind: 'log' | 'log-input' | 'capture';
  spec: ProcessSpec;
  /** Aborted when the task is to stop. */
  signal: AbortSignal;
  /** How the process is ended then, and whether everything else in the container is, too. */
  stop: ContainerStop;
  /** A new exec begins: from which byte of the output on it is to read. */
  offset: () => number;
  /** Output. `later`: it cannot be taken now. `enough`: the process is to be killed. */
  onOutput: (bytes: Buffer) => 'taken' | 'later' | 'enough';
  /** What people should know while nothing happens. */
  say: (line: string) => void;
}

export interface StepEnd {
  result: ProcessResult;
  /** Bytes of standard error at the end of what a capture has given out. */
  errorBytes: number;
}

/**
 * Runs a process, or goes on with one that an earlier runner began, until it is over and all of its output was given out, in order and
 * once. It lives in the container on its own: an exec that ends early is followed by another. Undefined when it was never started and
 * `mayStart` is false. Never rejects.
 */
export async function runContainerStep(step: ContainerStep, mayStart: boolean): Promise<StepEnd | undefined> {
  if (mayStart && step.signal.aborted) return ended({ kind: 'stopped' });
  const text = mayStart ? launchText(step.spec) : undefined;
  if (text !== undefined && !Buffer.isBuffer(text)) return ended(text);
  return await new StepRun(step, text).run();
}

function ended(result: ProcessResult, errorBytes = 0): StepEnd {
  return { result, errorBytes };
}

class StepRun {
  readonly #step: ContainerStep;
  /** Undefined when it may not be started. */
  readonly #text: Buffer | undefined;
  readonly #backoff = new Backoff({ initialMs: 200, maxMs: 5000 }, systemClock);
  /** Aborted when nothing more is waited for. */
  readonly #over = new AbortController();
  /** Resolves when the way down is over; undefined before it begins. */
  #stopped: Promise<void> | undefined;
  /** It was ended because it wrote too much. */
  #wasTooMuch = false;
  #starts = 0;

  constructor(step: ContainerStep, text: Buffer | undefined) {
    this.#step = step;
    this.#text = text;
  }

  async run(): Promise<StepEnd | undefined> {
    const { signal } = this.#step;
    const stop = (): void => this.#stop(this.#step.stop);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      return await this.#readToEnd();
    } finally {
      signal.removeEventListener('abort', stop);
      this.#over.abort();
    }
  }

  async #readToEnd(): Promise<StepEnd | undefined> {
    for (;;) {
      const { isLater, result } = await this.#read();
      if (this.#over.signal.aborted) return ended({ kind: 'stopped' });
      if (this.#wasTooMuch) {
        await this.#stopped;
        return ended({ kind: 'signalled', signal: 'SIGKILL' });
      }
      const end = this.#endOf(result);
      if (end !== 'again') return end;
      const isOrderly = result.kind === 'exited' && readReport(result.stderr).end === 'again';
      if (isLater || !isOrderly) await this.#pause(result);
    }
  }

  /** One exec. `isLater`: its output could not be taken. */
  async #read(): Promise<{ isLater: boolean; result: ExecResult }> {
    const { containers, directory, kind, offset, onOutput, role } = this.#step;
    // Not put together of several signals by the system, which forgets those that nobody else holds.
    const enough = new AbortController();
    const giveUp = (): void => enough.abort();
    this.#over.signal.addEventListener('abort', giveUp);
    const timer = setTimeout(giveUp, readPatienceMs);
    let isLater = false;
    const onStdout = (bytes: Buffer): void => {
      if (enough.signal.aborted || bytes.length === 0) return;
      this.#backoff.reset();
      const taken = onOutput(bytes);
      if (taken === 'taken') return;
      if (taken === 'enough') {
        this.#wasTooMuch = true;
        this.#stop({ signal: 'SIGKILL', graceMs: 0, whom: 'group' });
      } else isLater = true;
      enough.abort();
    };
    const textBytes = this.#text?.length ?? 0;
    const argv = attachCommand({ directory, kind, offset: offset(), textBytes });
    const result = await containers.exec(role, { argv, input: this.#text, onStdout, signal: enough.signal });
    clearTimeout(timer);
    this.#over.signal.removeEventListener('abort', giveUp);
    return { isLater, result };
  }

  #endOf(result: ExecResult): StepEnd | undefined | 'again' {
    const { signal, spec } = this.#step;
    if (result.kind === 'dropped') return 'again';
    const wasStopped = signal.aborted && this.#stopped !== undefined;
    if (result.kind === 'gone') return ended(wasStopped ? { kind: 'stopped' } : result);
    const report = readReport(result.stderr);
    if (wasStopped && (report.end === 'over' || report.end === 'lost')) return ended({ kind: 'stopped' });
    if (report.unlogged !== undefined && report.end === 'again') this.#stop({ ...spec.stop, whom: 'group' });
    return this.#endOfReport(report, result.stderr);
  }

  #endOfReport(report: StepReport, stderr: string): StepEnd | undefined | 'again' {
    const { role, spec } = this.#step;
    switch (report.end) {
      case 'over':
        return ended(resultOf(report, spec), report.errorBytes);
      case 'lost':
        return ended({
          kind: 'gone',
          reason: `all processes of the ${role} container were killed, by one of them or for want of memory`,
        });
      case 'lacks':
        return ended({
          kind: 'unstartable',
          code: 'ENOENT',
          message: `${report.lacks}, which every process needs, is not in the image of the ${role} container`,
        });
      case 'refused':
        return ended({
          kind: 'unstartable',
          code: 'EIO',
          message: `/workspace cannot be written (${firstLine(stderr)})`,
        });
      case 'absent':
        if (this.#text === undefined) return undefined;
        this.#starts += 1;
        if (this.#starts < maxStarts) return 'again';
        return ended({ kind: 'unstartable', code: 'EIO', message: 'the engine does not hand on what it is to run' });
      default:
        return 'again';
    }
  }

  async #pause(result: ExecResult): Promise<void> {
    const ms = this.#backoff.next();
    if (this.#backoff.failures === failuresToTell && result.kind === 'dropped') {
      this.#step.say(`Waiting for the containers of this task: ${result.reason}`);
    }
    await systemClock.sleep(ms, this.#over.signal).catch(() => undefined);
  }

  /** Begins the way down, once, and gives up what does not end on it. */
  #stop(ladder: ContainerStop): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => this.#over.abort(), ladder.graceMs + stopPatienceMs);
    this.#over.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    this.#stopped = endContainerStep({ ...this.#step, signal: this.#over.signal }, ladder);
  }
}

function firstLine(text: string): string {
  return text.split('\n').find((line) => line !== '' && !line.startsWith('end ')) ?? 'no reason given';
}

export interface ContainerStop {
  signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL';
  graceMs: number;
  whom: 'group' | 'all';
}

/** Ends a step: the signal, the grace, KILL. Asks again while the engine cannot be reached, until `signal` is aborted. Never rejects. */
export async function endContainerStep(
  { containers, directory, role, signal }: Pick<ContainerStep, 'containers' | 'directory' | 'role' | 'signal'>,
  ladder: ContainerStop,
): Promise<void> {
  const begun = Date.now();
  const backoff = new Backoff({ initialMs: 100, maxMs: 1000 }, systemClock);
  while (!signal.aborted) {
    const graceMs = Math.max(0, ladder.graceMs - (Date.now() - begun));
    const argv = stopCommand({ directory, whom: ladder.whom, signal: ladder.signal, graceMs });
    const result = await containers.exec(role, { argv, signal });
    if (result.kind !== 'dropped') return;
    await systemClock.sleep(backoff.next(), signal).catch(() => undefined);
  }
}
