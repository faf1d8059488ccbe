import type { JobCommand } from '../../executors/index.ts';
import { messageOf } from '../../lib/index.ts';
import type { Command, JobResult } from '../../protocol/ci/index.ts';
import type { RunJobOptions } from '../types.ts';
import { checkJobResult, earlyExitCode } from './early-exit.ts';
import { postJobCommand, preJobCommand, preJobHook } from './hook-command.ts';
import { tearDown } from './tear-down.ts';

/**
 * Runs a job from its first event to its last, and leaves no process of it behind (spec CI 5.2). Never rejects: what goes wrong makes the
 * job `failed`, and every job gets its `job_finished`.
 */
export function runJob(options: RunJobOptions): Promise<JobResult> {
  return new JobRun(options).run();
}

/** What the main part of a job came to. */
interface Outcome {
  result: JobResult;
  /** The job has ended itself: no epilogues. */
  isEarly?: boolean;
}

/**
 *     boot ──▶ variables ▸ files ▸ pre-job hook ▸ commands ──▶ epilogues ──▶ post-job hook ──▶ teardown
 *       └ fails ─────────────────────────────────────────────────────────────────────────────▶ (failed)
 *                         └ one fails ─────────────────────▶ (failed)
 *                                        └ 130 ─────────────────────────▶ (as the job says)
 *     stop, at any of them: the executor is stopped at once, nothing more begins ───────────▶ (stopped)
 *
 * The executor is stopped at the end of every job, too, for what the job has left running.
 */
class JobRun {
  readonly #options: RunJobOptions;

  constructor(options: RunJobOptions) {
    this.#options = options;
  }

  async run(): Promise<JobResult> {
    const { stop } = this.#options;
    const onStop = (): void => void this.#stopExecutor();
    if (stop.aborted) onStop();
    stop.addEventListener('abort', onStop);
    try {
      const result = await this.#guarded('The job failed without a reason of its own', 'failed', () => this.#steps());
      // A stop during the epilogues counts as well, although they were told another result.
      const final = this.#isStopped() ? 'stopped' : result;
      await tearDown(this.#options, final);
      return final;
    } finally {
      stop.removeEventListener('abort', onStop);
      await this.#stopExecutor();
    }
  }

  async #steps(): Promise<JobResult> {
    this.#options.events.jobStarted();
    if (!(await this.#boot())) return 'failed';
    const { result, isEarly = false } = await this.#guarded('A step of the job failed', { result: 'failed' }, () =>
      this.#work(),
    );
    if (!isEarly) await this.#epilogues(result);
    const { hooks = {}, mode } = this.#options;
    const hook = postJobCommand(hooks, mode);
    // The shell is gone when the job was stopped.
    if (hook && !this.#isStopped()) await this.#runAside('The post-job hook failed', hook);
    return result;
  }

  async #boot(): Promise<boolean> {
    const { executor } = this.#options;
    if (this.#isStopped() || (await executor.prepare()) !== 0) return false;
    return !this.#isStopped() && (await executor.start()) === 0;
  }

  async #work(): Promise<Outcome> {
    const { executor, request, hostVariables = [] } = this.#options;
    const preparations = [
      () => executor.exportVariables(request.variables, hostVariables),
      () => executor.injectFiles(request.files),
      () => this.#preJobHook(),
    ];
    for (const prepare of preparations) {
      if (this.#isStopped()) return { result: 'stopped' };
      if ((await prepare()) !== 0) return { result: 'failed' };
    }
    return await this.#commands();
  }

  /** 0 also when it failed and the job is to go on all the same. */
  async #preJobHook(): Promise<number> {
    const { executor, hooks = {}, mode } = this.#options;
    const hook = preJobHook(hooks, mode);
    if (!hook) return 0;
    const exitCode = await executor.run(preJobCommand(hook));
    return hook.failOnError ? exitCode : 0;
  }

  async #commands(): Promise<Outcome> {
    const { executor, events, clock, request } = this.#options;
    for (const command of request.commands) {
      if (this.#isStopped()) break;
      const exitCode = await executor.run(command);
      if (this.#isStopped()) break;
      if (exitCode === earlyExitCode) {
        return { result: await checkJobResult(executor, events, clock), isEarly: true };
      }
      if (exitCode !== 0) return { result: 'failed' };
    }
    return { result: this.#isStopped() ? 'stopped' : 'passed' };
  }

  async #epilogues(result: JobResult): Promise<void> {
    const { executor, logger, request } = this.#options;
    if (this.#isStopped()) return;
    const variable = { name: 'SEMAPHORE_JOB_RESULT', value: Buffer.from(result).toString('base64') };
    const exitCode = await this.#guarded('The result could not be exported', 1, () =>
      executor.exportVariables([variable], []),
    );
    if (exitCode !== 0) logger.warn('The epilogues run without the result of the job', { exit_code: exitCode });
    const { always, onPass, onFail } = request.epilogues;
    await this.#epilogue(always);
    await this.#epilogue(result === 'passed' ? onPass : onFail);
  }

  /** A command that fails ends this list, nothing else. */
  async #epilogue(commands: readonly Command[]): Promise<void> {
    for (const command of commands) {
      if (this.#isStopped()) return;
      if ((await this.#runAside('An epilogue failed', command)) !== 0) return;
    }
  }

  /** Runs a command that does not matter for the result. */
  async #runAside(what: string, command: JobCommand): Promise<number> {
    const exitCode = await this.#guarded(what, 1, () => this.#options.executor.run(command));
    if (exitCode !== 0) this.#options.logger.info(what, { exit_code: exitCode });
    return exitCode;
  }

  /** `fallback` when the work rejects: the agent's log says why. */
  async #guarded<Value>(what: string, fallback: Value, work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error: unknown) {
      this.#options.logger.error(what, { error: messageOf(error) });
      return fallback;
    }
  }

  async #stopExecutor(): Promise<void> {
    await this.#guarded('The job could not be stopped completely', undefined, () => this.#options.executor.stop());
  }

  /** A function, because the answer changes while steps are waited for. */
  #isStopped(): boolean {
    return this.#options.stop.aborted;
  }
}
