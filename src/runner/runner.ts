import type { RunnerConfig } from '../config/index.ts';
import { Seal, type Cgroups } from '../execution/index.ts';
import { messageOf, type Clock } from '../lib/index.ts';
import type { RunnerState } from '../protocol/ui/index.ts';
import { runTask } from '../tasks/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { startUpkeep, Workspace, type ClearResult } from '../workspace/index.ts';
import { ConnectionLog } from './connection-log.ts';
import { Executors, providerMaker } from './executors/index.ts';
import type { JobContext } from './job-context.ts';
import type { Job } from './job.ts';
import { Jobs } from './jobs.ts';
import { Poller } from './poller.ts';
import type { RunnerClient } from './renewing-client.ts';
import { Reporter } from './reporter.ts';
import type { RunRunnerOptions } from './types.ts';

/** How long an ended runner tries to hand over the last results, milliseconds. */
const farewellMs = 30_000;
/** The same after the user has asked twice. */
const shortFarewellMs = 5_000;

const exitCodes = { ok: 0, undelivered: 3, tokenRefused: 4 } as const;
const signalExitCodes: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 };

export interface RunnerParts {
  client: RunnerClient;
  clock: Clock;
  token: string;
  /** The token, and what else of the runner must not be seen in a log. */
  ownSecrets: readonly string[];
  /** Directory of all job directories. */
  jobsRoot: string;
  /** Undefined where tasks have none. */
  cgroups: Cgroups | undefined;
  /** Tells this runner's containers from others', see `ownerOf`. */
  owner: string;
}

/**
 * The runner as a whole.
 *
 *     running ──first signal──▶ draining ──nothing runs──▶ saying farewell ──all acknowledged, or time is up──▶ ended
 *        │                         └──second signal, or drain time-out: tasks are stopped──▶┘
 *        ├──token refused for good: as the first signal, without a farewell────────────────────────────────────▶ ended
 *        ├──SIGUSR2: tasks go on without a runner───────────────────────────────────────────────────────────▶ ended
 *        └──one-off: its tasks are finished and acknowledged─────────────────────────────────────────────────▶ ended
 */
export class Runner {
  readonly #options: RunRunnerOptions;
  readonly #config: RunnerConfig;
  readonly #jobsRoot: string;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #jobs: Jobs;
  readonly #connection: ConnectionLog;
  readonly #poller: Poller;
  readonly #reporter: Reporter;
  readonly #workspace: Workspace;
  readonly #executors: Executors;
  readonly #saidProblems = new Set<string>();
  readonly #oneOffDone = new AbortController();
  #takesWork = true;

  constructor(options: RunRunnerOptions, parts: RunnerParts) {
    const { client, clock, token, jobsRoot, ownSecrets } = parts;
    this.#options = options;
    this.#jobsRoot = jobsRoot;
    this.#logger = options.logger;
    this.#clock = clock;
    this.#config = options.loaded.config;
    const { runner } = this.#config;
    const connection = new ConnectionLog(this.#logger, clock);
    this.#connection = connection;
    const intervalMs = runner.checkIntervalSeconds * 1000;
    this.#workspace = new Workspace({ root: this.#config.tmpPath });
    const forProviders = { ...parts, config: this.#config, workspace: this.#workspace, hostEnv: process.env };
    this.#executors = new Executors(runner.executor.type, providerMaker({ ...forProviders, logger: this.#logger }));
    const context: JobContext = {
      jobsRoot,
      seal: Seal.fromToken(token),
      clock,
      logger: this.#logger,
      maxLineBytes: runner.log.maxLineBytes,
      masking: runner.masking,
      ownSecrets,
      executors: this.#executors,
      timeOuts: runner,
      onNews: (urgent) => this.#reporter.notify(urgent),
      execute: (job, keys, host, openPlace) => runTask({ job, keys, config: this.#config, host, openPlace }),
    };
    this.#jobs = new Jobs({
      ...context,
      maxParallelTasks: runner.maxParallelTasks,
      answerPending: () => this.#poller.polling,
    });
    this.#poller = new Poller({ client, clock, connection, intervalMs, onState: (state) => this.#handle(state) });
    this.#reporter = new Reporter({
      client,
      clock,
      logger: this.#logger,
      connection,
      jobs: () => this.#jobs.all(),
      flushIntervalMs: runner.log.flushIntervalMs,
      heartbeatMs: Math.max(intervalMs, 1000),
      maxRequestBytes: runner.log.maxRequestBytes,
      onFinished: (jobs) => this.#finished(jobs),
      onTerminated: (ids) => this.#terminated(ids),
      onConnected: () => options.stdout('Runner connected'),
    });
  }

  /** Lets a later process with the new token read the tasks of this one, and no log show it. */
  renewToken(token: string): void {
    this.#jobs.renewToken(Seal.fromToken(token), token);
  }

  async run(): Promise<number> {
    const { delivering, resuming } = this.#jobs.recover();
    if (delivering.length > 0) {
      this.#logger.warn('Delivering results of an earlier run', { task_ids: delivering.join(',') });
    }
    if (resuming.length > 0) {
      this.#logger.info('Going on with tasks of an earlier run', { task_ids: resuming.join(',') });
    }
    // Not waited for: an engine that does not answer must not keep the results of an earlier run from the server.
    void this.#executors.start();
    const upkeep = new AbortController();
    await this.#startUpkeep(upkeep.signal, new Set(resuming));
    try {
      return await this.#serve();
    } finally {
      upkeep.abort();
      this.#executors.close();
      await this.#workspace.close();
    }
  }

  async #serve(): Promise<number> {
    const { shutdown } = this.#options;
    this.#reporter.start();
    this.#poller.start();
    await anyAborted(shutdown.drain, shutdown.leave, this.#oneOffDone.signal, this.#connection.refused);
    if (shutdown.leave.aborted) return this.#leave();
    if (!this.#oneOffDone.signal.aborted || shutdown.drain.aborted) return this.#drain();
    // Containers of its tasks may still be on their way out.
    await Promise.race([this.#jobs.idle(), aborted(shutdown.leave)]);
    return this.#end();
  }

  async #drain(): Promise<number> {
    const { shutdown, onDraining } = this.#options;
    this.#takesWork = false;
    this.#jobs.drain();
    this.#logger.info('Draining: taking no new tasks', { running: this.#jobs.running });
    if (this.#jobs.running > 0) onDraining?.(this.#jobs.running);
    const cancel = (): void => {
      this.#logger.warn('Second signal: stopping the running tasks', { running: this.#jobs.running });
      this.#jobs.stopAll();
    };
    if (shutdown.cancel.aborted) cancel();
    else shutdown.cancel.addEventListener('abort', cancel, { once: true });
    const drained = new AbortController();
    this.#stopLate(drained.signal);
    await Promise.race([this.#jobs.idle(), aborted(shutdown.leave)]);
    drained.abort();
    if (shutdown.leave.aborted) return this.#leave();
    await this.#farewell();
    shutdown.cancel.removeEventListener('abort', cancel);
    return this.#end();
  }

  /** Whoever sent the signal (a service manager, an orchestrator) sends KILL in the end; tasks are to be reported before that. */
  #stopLate(drained: AbortSignal): void {
    const { drainTimeoutMs } = this.#config.runner;
    if (drainTimeoutMs === undefined) return;
    const stop = (): void => {
      this.#logger.warn('The time for draining is up: stopping the running tasks', { running: this.#jobs.running });
      this.#jobs.stopAll();
    };
    this.#clock.sleep(drainTimeoutMs, drained).then(stop, () => undefined); // Rejects when nothing runs any more.
  }

  /** Ends without ending the tasks: what runs needs no runner, and the next one goes on with it. */
  #leave(): number {
    this.#logger.info('Leaving the running tasks to the next runner', { running: this.#jobs.running });
    this.#poller.stop();
    this.#reporter.stop();
    this.#jobs.abandon();
    return exitCodes.ok;
  }

  /** Waits until the server has everything, but not for ever: what is left on disk is delivered at the next start. */
  async #farewell(): Promise<void> {
    const { cancel } = this.#options.shutdown;
    let started = this.#clock.now();
    while (this.#jobs.size > 0 && !this.#connection.refused.aborted) {
      const limit = cancel.aborted ? shortFarewellMs : farewellMs;
      // The wall clock may be set back meanwhile.
      started = Math.min(started, this.#clock.now());
      if (this.#clock.now() - started >= limit) return;
      await this.#clock.sleep(20);
    }
  }

  #end(): number {
    this.#poller.stop();
    this.#reporter.stop();
    const left = this.#jobs.detach();
    const { cancel } = this.#options.shutdown;
    if (this.#connection.refused.aborted) {
      if (left > 0)
        this.#logger.error('Results that the server has not taken are kept', { results: left, in: this.#jobsRoot });
      return exitCodes.tokenRefused;
    }
    if (left > 0) {
      this.#logger.error('The server did not take all results; they are kept and delivered at the next start', {
        results: left,
      });
      return exitCodes.undelivered;
    }
    return cancel.aborted ? (signalExitCodes[String(cancel.reason)] ?? 130) : exitCodes.ok;
  }

  #handle(state: RunnerState): void {
    this.#reporter.connectionIsBack();
    for (const problem of state.problems) {
      if (this.#saidProblems.has(problem)) continue;
      this.#saidProblems.add(problem);
      this.#logger.error('The server sent a task that cannot be read', {
        context: 'checking_new_jobs',
        error: problem,
      });
    }
    if (state.clearCache) void this.#clearCache(state.cacheCleanProjectId);
    this.#adopt(state);
    const busyOneOff = this.#config.runner.oneOff && this.#jobs.size > 0;
    if (this.#takesWork && !busyOneOff) for (const job of state.newJobs) this.#jobs.add(job, state.accessKeys);
    this.#jobs.answerHandled();
  }

  /** Takes over what the server says of the tasks that run here, and asks about those it does not mention. */
  #adopt(state: RunnerState): void {
    const mentioned = new Set(state.newJobs.map((job) => job.task.id));
    for (const { id, status } of state.currentJobs) {
      mentioned.add(id);
      this.#jobs.get(id)?.adopt(status);
    }
    // Not mentioned: given up by force, or reported only a moment ago. The answer to a report tells which.
    for (const job of this.#jobs.all()) {
      if (job.state === 'active' && !mentioned.has(job.id)) this.#reporter.heartbeatNow();
    }
  }

  async #clearCache(projectId: number | undefined): Promise<void> {
    const result = await this.#workspace.clear(projectId);
    this.#logger.info('The cache was cleared, as the server asked', {
      removed: result.removed.length,
      ...(projectId === undefined ? {} : { project_id: projectId }),
    });
    this.#tellFailures(result);
  }

  /** Removes what a crash has left, and from time to time what has not been used for long (spec 5.12). */
  async #startUpkeep(signal: AbortSignal, spare: ReadonlySet<number>): Promise<void> {
    const said = (message: string) => (result: ClearResult) => {
      if (result.removed.length > 0) this.#logger.info(message, { removed: result.removed.length });
      this.#tellFailures(result);
    };
    const failed = (error: unknown): void => {
      this.#logger.error('Cannot clean up the work directory', { error: messageOf(error) });
    };
    // First: what resumed tasks hold must be theirs before anything else looks for room.
    this.#workspace.sweep({ spare }).then(said('Removed what an earlier run left of its tasks'), failed);
    const { schedule, ...limits } = this.#config.runner.cleanup;
    if (limits.maxAgeMs !== undefined || limits.maxBytes !== undefined) {
      const onDone = said('Removed what no task has used for long');
      const parts = { workspace: this.#workspace, clock: this.#clock };
      await startUpkeep({ ...parts, schedule, limits, signal, onDone, onError: failed });
    }
  }

  #tellFailures({ failed }: ClearResult): void {
    for (const { path, message } of failed) this.#logger.error('Cannot remove a directory', { path, error: message });
  }

  #finished(jobs: Job[]): void {
    for (const job of jobs) this.#removed(job, this.#jobs.removeFinished(job));
    // Their slots count as free on the server from now on.
    this.#poller.pollNow();
  }

  #terminated(ids: readonly number[]): void {
    for (const id of ids) {
      const job = this.#jobs.get(id);
      if (!job) continue;
      if (job.state === 'active') {
        this.#logger.warn('The server has given this task up; stopping it', { task_id: id });
        job.giveUp(() => this.#removed(job, this.#jobs.removeGivenUp(job)));
      } else {
        this.#removed(job, this.#jobs.removeGivenUp(job));
      }
    }
  }

  #removed(job: Job, removal: Promise<void>): void {
    removal.catch((error: unknown) => {
      this.#logger.error('Cannot remove the job directory', { task_id: job.id, error: messageOf(error) });
    });
    if (this.#config.runner.oneOff && this.#jobs.executed > 0 && this.#jobs.size === 0) this.#oneOffDone.abort();
  }
}

async function anyAborted(...signals: AbortSignal[]): Promise<void> {
  await aborted(AbortSignal.any(signals));
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
