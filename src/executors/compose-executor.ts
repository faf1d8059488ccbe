import { userInfo } from 'node:os';
import { messageOf, UserError, type Clock } from '../lib/index.ts';
import type { EncodedVariable, JobFile, JobRequest } from '../protocol/ci/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { Mount } from './compose-executor/compose-file.ts';
import { ComposeJob, engineProblem, problemOf } from './compose-executor/compose-job.ts';
import { detectCompose } from './compose-executor/detect-compose.ts';
import { FirstContainer } from './compose-executor/first-container.ts';
import { injectInto, sourceInto } from './compose-executor/into-session.ts';
import { ComposeDirectory } from './compose-executor/job-directory.ts';
import { makeProjectName } from './compose-executor/project-name.ts';
import { resolveMounts } from './compose-executor/resolve-mounts.ts';
import { RunningLines } from './compose-executor/run-lines.ts';
import { setUpHost } from './compose-executor/set-up-host.ts';
import { exportStep } from './host-executor/export-step.ts';
import { authorizeKeys } from './host-executor/remote-access.ts';
import type { JobCommand, JobEvents, JobExecutor } from './job-executor.ts';
import { createDockerConfig, logIn, type DockerConfig } from './registry-credentials/index.ts';
import type { ShellSession } from './shell-session/index.ts';
import { showCommand, showWork } from './show-step.ts';

export interface ComposeExecutorOptions {
  jobId: string;
  compose: JobRequest['compose'];
  events: JobEvents;
  logger: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
  clock: Pick<Clock, 'now'>;
  /** The agent's: of the commands that it runs on this host. Nothing of it gets into a container. */
  env: Readonly<Record<string, string>>;
  /** The agent's. */
  cwd: string;
  /** Base64, one line each (spec CI 3.6). */
  sshPublicKeys: readonly string[];
  /** Path of the script that debug sessions start. @default '/tmp/ssh_jump_point' */
  jumpPoint?: string | undefined;
  /** Files of this host in the first container. @default none */
  files?: readonly Mount[] | undefined;
  /** One of `files` that is missing fails the job. @default false */
  failOnMissingFiles?: boolean | undefined;
  /** Gives `/dev/kvm` to every container, where this host has it. @default false */
  exposeKvm?: boolean | undefined;
  /** Told about the pull of the images. @default nobody */
  pulls?: { started(): void; failed(): void; ended(durationMs: number): void } | undefined;
  /** From TERM to KILL, milliseconds; for what runs in the first container, and for the linked ones. @default 5_000 */
  stopGraceMs?: number | undefined;
  /** Aborted when KILL shall not wait for that. It stops nothing by itself. */
  hurry?: AbortSignal | undefined;
  /** How long the shell may take to its first prompt, milliseconds. @default 120_000 */
  startTimeoutMs?: number | undefined;
  /** @default this system's */
  platform?: NodeJS.Platform | undefined;
}

/**
 * Runs a job in containers of docker compose (spec CI 6.2): the first one has the shell of the job, the others answer by their names. Every
 * job is a compose project of its own, so jobs and agents do not meet on a host.
 *
 *     new ─prepare▶ prepared ─start▶ started      any ─stop▶ stopped: containers, networks, volumes, logins and files are gone
 */
export class ComposeExecutor implements JobExecutor {
  readonly #options: ComposeExecutorOptions;
  readonly #project = makeProjectName();
  readonly #stopped = new AbortController();
  readonly #container: FirstContainer;
  #env: Readonly<Record<string, string>>;
  #directory: ComposeDirectory | undefined;
  #dockerConfig: DockerConfig | undefined;
  #job: ComposeJob | undefined;
  #pull: RunningLines | undefined;
  #working: Promise<number> = Promise.resolve(0);
  #usesEngine = false;
  #stopping: Promise<void> | undefined;

  constructor(options: ComposeExecutorOptions) {
    this.#options = options;
    this.#env = options.env;
    this.#container = new FirstContainer({
      ...options,
      wanted: options.compose.containers[0]?.name ?? '',
      stopped: this.#stopped.signal,
    });
  }

  prepare(): Promise<number> {
    this.#working = this.#guarded('The job cannot be prepared', () => this.#prepare());
    return this.#working;
  }

  start(): Promise<number> {
    this.#working = this.#guarded('The containers of the job cannot be started', () => this.#start());
    return this.#working;
  }

  exportVariables(job: readonly EncodedVariable[], host: readonly { name: string; value: string }[]): Promise<number> {
    const source = async (script: Buffer): Promise<number> => {
      const ready = this.#ready();
      return ready ? await sourceInto(ready.session, ready.directory, script) : 1;
    };
    return showWork('Exporting environment variables', this.#options, () =>
      exportStep(job, host, { ...this.#options, source }),
    );
  }

  injectFiles(files: readonly JobFile[]): Promise<number> {
    return showWork('Injecting Files', this.#options, async () => {
      for (const file of files) {
        const ready = this.#ready();
        const exitCode = ready ? await injectInto(ready.session, ready.directory, file, this.#options.events) : 1;
        if (exitCode !== 0) return exitCode;
      }
      return 0;
    });
  }

  run(command: JobCommand): Promise<number> {
    return showCommand(command, this.#options, this.#container.session);
  }

  async evaluate(directive: string): Promise<{ output: string; exitCode: number }> {
    if (!this.#container.session) return { output: '', exitCode: 1 };
    const { output, exitCode } = await this.#container.session.evaluate(directive);
    return { output, exitCode };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Without any event (spec CI 6.2): the agent's log tells what is wrong. */
  async #prepare(): Promise<number> {
    const { logger, platform = process.platform, compose, cwd, env } = this.#options;
    const { files = [], failOnMissingFiles = false, exposeKvm = false, jobId, sshPublicKeys } = this.#options;
    if (platform === 'win32') return this.#refuse('Jobs of docker compose do not run on Windows');
    if (compose.containers.length === 0)
      return this.#refuse('The job is to run in docker compose, but names no container');
    this.#directory = new ComposeDirectory(this.#project);
    if (!(await setUpHost(compose.hostSetupCommands, { env, cwd, logger, signal: this.#stopped.signal }))) return 1;
    const found = await detectCompose(env, this.#stopped.signal);
    if (this.#stopping) return 1;
    if (!found) {
      return this.#refuse('Neither `docker compose` nor `docker-compose` answers with a version', {
        hint: 'Install the compose plug-in of Docker (docker-compose-plugin), or docker-compose, where the PATH of the agent finds it.',
      });
    }
    const mounts = resolveMounts({ files, failOnMissing: failOnMissingFiles, cwd }, logger);
    if (!mounts) return 1;
    if (compose.imagePullCredentials.length > 0) this.#dockerConfig = createDockerConfig(env, logger);
    this.#env = {
      ...env,
      // What compose 1 says would otherwise come late.
      PYTHONUNBUFFERED: '1',
      ...(this.#dockerConfig && { DOCKER_CONFIG: this.#dockerConfig.path }),
    };
    this.#job = new ComposeJob({
      project: this.#project,
      jobId,
      directory: this.#directory,
      compose: found,
      containers: compose.containers,
      mounts,
      exposeKvm,
      env: this.#env,
      logger,
    });
    await authorizeKeys(this.#home(), sshPublicKeys);
    await this.#container.writeJumpPoint();
    return 0;
  }

  async #start(): Promise<number> {
    const { compose } = this.#options;
    const [job, directory] = [this.#job, this.#directory];
    if (!job || !directory || this.#stopping) return 1;
    const steps = [
      ...(compose.imagePullCredentials.length > 0
        ? [() => showWork('Setting up image pull credentials', this.#options, () => this.#logIn())]
        : []),
      () => showWork('Pulling docker images...', this.#options, () => this.#pullImages(job)),
      () =>
        showWork('Starting the docker image...', this.#options, () => this.#container.open(job, directory, this.#env)),
    ];
    for (const step of steps) {
      if (this.#stopping) return 1;
      const exitCode = await step();
      if (exitCode !== 0) return exitCode;
    }
    return 0;
  }

  #logIn(): Promise<number> {
    const { compose, events, logger, env } = this.#options;
    return logIn(compose.imagePullCredentials, {
      events,
      logger,
      env,
      dockerConfig: this.#dockerConfig?.path ?? '',
      signal: this.#stopped.signal,
    });
  }

  async #pullImages(job: ComposeJob): Promise<number> {
    const { pulls } = this.#options;
    const startedMs = performance.now();
    pulls?.started();
    const exitCode = await this.#tryToPull(job);
    if (exitCode !== 0) pulls?.failed();
    pulls?.ended(performance.now() - startedMs);
    return exitCode === 0 ? 0 : 1;
  }

  async #tryToPull(job: ComposeJob): Promise<number> {
    const { compose, events } = this.#options;
    const problem = problemOf(compose.containers) ?? (await engineProblem(this.#env, this.#stopped.signal));
    if (problem !== undefined) {
      events.output(`${problem}\n`);
      return 1;
    }
    if (this.#stopping) return 1;
    this.#usesEngine = true;
    this.#pull = new RunningLines({
      command: job.command,
      args: job.pullArgs,
      env: this.#env,
      onLine: (line) => events.output(`${line}\n`),
    });
    return await this.#pull.done;
  }

  async #stop(): Promise<void> {
    const { logger, hurry, stopGraceMs = 5000 } = this.#options;
    let graceMs = stopGraceMs;
    const onHurry = (): void => {
      graceMs = 0;
      void this.#container.session?.stop(0);
    };
    if (hurry?.aborted === true) onHurry();
    hurry?.addEventListener('abort', onHurry, { once: true });
    this.#stopped.abort();
    const works = [
      () => this.#pull?.stop(0),
      () => this.#container.session?.stop(),
      // What was begun has seen by now that it is over.
      () => this.#working,
      () => this.#container.session?.stop(),
      () => (this.#usesEngine ? this.#job?.down(graceMs) : undefined),
      () => this.#dockerConfig?.remove(),
      () => this.#directory?.remove(),
    ];
    for (const work of works) {
      try {
        await work();
      } catch (error: unknown) {
        logger.warn('Something of the job is left behind', { error: messageOf(error) });
      }
    }
    hurry?.removeEventListener('abort', onHurry);
  }

  /** What the steps after `start` need; undefined when there is no shell. */
  #ready(): { session: ShellSession; directory: ComposeDirectory } | undefined {
    const { session } = this.#container;
    return session && this.#directory && !this.#stopping ? { session, directory: this.#directory } : undefined;
  }

  /** 1 when the work rejects: the agent's log says why. */
  async #guarded(what: string, work: () => Promise<number>): Promise<number> {
    try {
      return await work();
    } catch (error: unknown) {
      const hint = error instanceof UserError && error.hint !== undefined ? { hint: error.hint } : {};
      this.#options.logger.error(what, { error: messageOf(error), ...hint });
      return 1;
    }
  }

  #refuse(what: string, fields: Readonly<Record<string, string>> = {}): number {
    this.#options.logger.error(what, fields);
    return 1;
  }

  /** As a login shell has it. Throws the system's error when the agent's user has none. */
  #home(): string {
    const home = this.#options.env['HOME'] ?? '';
    return home === '' ? userInfo().homedir : home;
  }
}
