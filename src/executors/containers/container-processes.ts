import { randomBytes } from 'node:crypto';
import type { CaptureResult, JobDirectory, ProcessResult, ProcessSpec } from '../../execution/index.ts';
import type { Step } from '../../tasks/types.ts';
import type { ProcessPort } from '../recorded-host.ts';
import type { RecordedStep } from '../task-record.ts';
import type { ContainerRole, TaskContainers } from './engine.ts';
import { runContainerStep, type ContainerStep } from './run-step.ts';
import { sendInput } from './step-input.ts';
import { StepLog } from './step-log.ts';
import { captureBytes } from './step-scripts.ts';

/** A process that is to run elsewhere than in the `build` container. */
export interface InContainer {
  container?: ContainerRole;
}

export interface ContainerProcessesOptions {
  directory: JobDirectory;
  /** They are there by the time that the first process is to run. */
  containers: TaskContainers;
  /** Aborted when the task is to stop. */
  signal: AbortSignal;
}

/** Runs the processes of a task in its containers. */
export class ContainerProcesses implements ProcessPort {
  readonly #options: ContainerProcessesOptions;
  readonly #log: StepLog;

  constructor(options: ContainerProcessesOptions) {
    this.#options = options;
    this.#log = new StepLog(options.directory);
  }

  async run(step: Step & InContainer, { index }: { index: number }): Promise<ProcessResult> {
    return (await this.#step(step, index, true)) ?? { kind: 'lost' };
  }

  async takeOver(step: Step & InContainer, { index }: RecordedStep): Promise<ProcessResult | undefined> {
    return await this.#step(step, index, false);
  }

  async capture(spec: ProcessSpec & InContainer): Promise<CaptureResult> {
    let chunks: Buffer[] = [];
    let size = 0;
    const end = await runContainerStep(
      {
        ...this.#place(spec, `c${randomBytes(6).toString('hex')}`),
        kind: 'capture',
        stop: { signal: 'SIGKILL', graceMs: 0, whom: 'group' },
        // What an exec has not given out to its end cannot be told from what it was about to: all of it once more.
        offset: () => {
          chunks = [];
          size = 0;
          return 0;
        },
        onOutput: (bytes) => {
          size += bytes.length;
          if (size > captureBytes) return 'enough';
          chunks.push(bytes);
          return 'taken';
        },
      },
      true,
    );
    const { errorBytes, result } = end ?? { errorBytes: 0, result: { kind: 'lost' } as const };
    const all = Buffer.concat(chunks);
    const split = Math.max(0, all.length - errorBytes);
    return { result, stdout: all.toString('utf8', 0, split), stderr: all.toString('utf8', split) };
  }

  appendLine(line: string): void {
    this.#log.appendLine(line, { isCounted: true });
  }

  appendRemark(line: string): void {
    this.#log.appendLine(line, { isCounted: false });
  }

  async #step(step: Step & InContainer, index: number, mayStart: boolean): Promise<ProcessResult | undefined> {
    const log = this.#log;
    const place = this.#place(step, String(index));
    log.begin(index);
    const input = mayStart && step.stdin ? sendInput(step.stdin, place) : undefined;
    try {
      const end = await runContainerStep(
        {
          ...place,
          kind: step.stdin ? 'log-input' : 'log',
          stop: { ...step.stop, whom: 'all' },
          offset: () => log.copied,
          onOutput: (bytes) => (log.append(bytes) ? 'taken' : 'later'),
        },
        mayStart,
      );
      return end?.result;
    } finally {
      input?.();
      log.end();
    }
  }

  #place(spec: ProcessSpec & InContainer, name: string) {
    const role = spec.container ?? 'build';
    return {
      containers: this.#options.containers,
      role,
      directory: `/workspace/.semaphore-${role}/${name}`,
      spec,
      signal: this.#options.signal,
      say: (line: string) => this.appendRemark(line),
    } satisfies Partial<ContainerStep>;
  }
}
