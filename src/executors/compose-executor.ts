import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { messageOf, UserError, type Clock } from '../lib/index.ts';
import type { EncodedVariable, JobFile, JobRequest } from '../protocol/ci/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { callDocker } from './compose-executor/call-docker.ts';
import type { Mount } from './compose-executor/compose-file.ts';
import { ComposeJob, engineProblem, problemOf } from './compose-executor/compose-job.ts';
import { ContainerProcess } from './compose-executor/container-process.ts';
import { detectCompose } from './compose-executor/detect-compose.ts';
import { ComposeDirectory } from './compose-executor/job-directory.ts';
import { jumpScript } from './compose-executor/jump-script.ts';
import { placeFile } from './compose-executor/place-file.ts';
import { makeProjectName } from './compose-executor/project-name.ts';
import { nameIsTaken, noSuchProgram, startFailure } from './compose-executor/start-failure.ts';
import { resolveMounts } from './compose-executor/resolve-mounts.ts';
import { RunningLines } from './compose-executor/run-lines.ts';
import { runQuietly } from './compose-executor/run-quietly.ts';
import { decodeBase64 } from './host-executor/base64.ts';
import { exportStep } from './host-executor/export-step.ts';
import { quoteWord } from './host-executor/quote-word.ts';
import { authorizeKeys, usualJumpPoint, writeJumpPoint } from './host-executor/remote-access.ts';
import type { JobCommand, JobEvents, JobExecutor } from './job-executor.ts';
import { createDockerConfig, logIn, type DockerConfig } from './registry-credentials/index.ts';
import { ShellSession } from './shell-session/index.ts';
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

/** What the engine takes for the name of a container. */
const containerName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

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
  #env: Readonly<Record<string, string>>;
  #directory: ComposeDirectory | undefined;
  #dockerConfig: DockerConfig | undefined;
  #job: ComposeJob | undefined;
  /** Of the first container, as `docker ps` shows it. */
  #container: string;
  #pull: RunningLines | undefined;
  #session: ShellSession | undefined;
  #working: Promise<number> = Promise.resolve(0);
  #usesEngine = false;
  #stopping: Promise<void> | undefined;

  constructor(options: ComposeExecutorOptions) {
    this.#options = options;
    this.#env = options.env;
    this.#container = options.compose.containers[0]?.name ?? '';
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
    const source = (script: Buffer): Promise<number> => this.#source(script);
    return showWork('Exporting environment variables', this.#options, () =>
      exportStep(job, host, { ...this.#options, source }),
    );
  }

  injectFiles(files: readonly JobFile[]): Promise<number> {
    return showWork('Injecting Files', this.#options, async () => {
      for (const file of files) {
        if (this.#stopping) return 1;
        const exitCode = await this.#inject(file);
        if (exitCode !== 0) return exitCode;
      }
      return 0;
    });
  }

  run(command: JobCommand): Promise<number> {
    return showCommand(command, this.#options, this.#session);
  }

  async evaluate(directive: string): Promise<{ output: string; exitCode: number }> {
    if (!this.#session) return { output: '', exitCode: 1 };
    const { output, exitCode } = await this.#session.evaluate(directive);
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
    if (!(await this.#setUpHost())) return 1;
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
    await this.#writeJumpPoint();
    return 0;
  }

  async #setUpHost(): Promise<boolean> {
    const { compose, env, cwd, logger } = this.#options;
    for (const { directive } of compose.hostSetupCommands) {
      const { exitCode, stdout, stderr } = await runQuietly('bash', ['-c', directive], env, this.#stopped.signal, {
        cwd,
        isTool: true,
      });
      logger.debug('A setup command of the job has run on this host', { directive, output: stdout + stderr });
      if (exitCode === 0) continue;
      logger.error('A setup command of the job has failed on this host', { directive, exit_code: exitCode ?? 'none' });
      return false;
    }
    return true;
  }

  async #start(): Promise<number> {
    const { compose } = this.#options;
    const job = this.#job;
    if (!job || this.#stopping) return 1;
    const steps = [
      ...(compose.imagePullCredentials.length > 0
        ? [() => showWork('Setting up image pull credentials', this.#options, () => this.#logIn())]
        : []),
      () => showWork('Pulling docker images...', this.#options, () => this.#pullImages(job)),
      () => showWork('Starting the docker image...', this.#options, () => this.#openSession(job)),
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

  async #openSession(job: ComposeJob): Promise<number> {
    const { events } = this.#options;
    events.output('Starting a new bash session.\n');
    if (await this.#isTaken(this.#container)) await this.#useAnotherName();
    let reason = await this.#tryToOpen(job);
    if (reason !== undefined && nameIsTaken.test(reason) && !this.#stopping) {
      // Somebody was faster.
      await this.#useAnotherName();
      reason = await this.#tryToOpen(job);
    }
    if (reason === undefined) return 0;
    events.output('Failed to start the docker image\n');
    events.output(reason);
    if (noSuchProgram.test(reason)) {
      events.output('\nThe commands of a job run in bash: use an image that has it for the first container.\n');
    }
    return 1;
  }

  /** Why there is no shell; undefined when there is. */
  async #tryToOpen(job: ComposeJob): Promise<string | undefined> {
    const { cwd, logger, stopGraceMs, startTimeoutMs = 120_000 } = this.#options;
    const container = this.#container;
    const spec = { ...job.sessionCommand(container), cwd, env: this.#env };
    this.#session = new ShellSession({
      open: (handlers) => new ContainerProcess(spec, () => job.findContainer(container), handlers),
      ...(this.#directory && { transport: this.#directory.transport }),
      startTimeoutMs,
      ...(stopGraceMs !== undefined && { stopGraceMs }),
      log: logger,
    });
    if (this.#stopping) return 'it was stopped';
    const result = await this.#session.start();
    return result.kind === 'ready' ? undefined : (startFailure(job.readErrors()) ?? result.reason);
  }

  async #isTaken(name: string): Promise<boolean> {
    if (!containerName.test(name)) return true;
    return (await callDocker(['container', 'inspect', '--format', '{{.Id}}', name], this.#env)).ok;
  }

  async #useAnotherName(): Promise<void> {
    const { logger, compose } = this.#options;
    const name = compose.containers[0]?.name ?? '';
    this.#container = `${containerName.test(name) ? name : 'main'}-${randomBytes(4).toString('hex')}`;
    logger.info('There is a container of that name already: the first container of the job gets another', {
      wanted: name,
      name: this.#container,
    });
    await this.#writeJumpPoint();
  }

  async #writeJumpPoint(): Promise<void> {
    await writeJumpPoint(this.#options.jumpPoint ?? usualJumpPoint, jumpScript(this.#container));
  }

  async #source(script: Buffer): Promise<number> {
    const [session, directory] = [this.#session, this.#directory];
    if (!session || !directory || this.#stopping) return 1;
    const word = quoteWord(directory.writeShared('env', script));
    // What the shell says of them may quote them: it is not for any log.
    const { exitCode } = await session.evaluate(`\\builtin . ${word}`);
    // For debug sessions; a home that cannot be written to is no reason to fail.
    await session.evaluate(`\\builtin echo ${quoteWord(`source ${word}`)} >>~/.bash_profile`);
    return exitCode;
  }

  async #inject(file: JobFile): Promise<number> {
    const { events } = this.#options;
    const [session, directory] = [this.#session, this.#directory];
    events.output(`Injecting ${file.path} with file mode ${file.mode}\n`);
    const content = decodeBase64(file.content);
    if (!content) {
      events.output('Failed to decode the content of the file.\n');
      return 1;
    }
    if (!session || !directory) return 1;
    const source = directory.writeShared('file', content);
    try {
      for (const { directive, failure } of placeFile(file, source).steps) {
        const { exitCode } = await session.evaluate(directive);
        if (exitCode === 0) continue;
        events.output(failure);
        return exitCode;
      }
      return 0;
    } finally {
      directory.removeShared(source);
    }
  }

  async #stop(): Promise<void> {
    const { logger, hurry, stopGraceMs = 5000 } = this.#options;
    let graceMs = stopGraceMs;
    const onHurry = (): void => {
      graceMs = 0;
      void this.#session?.stop(0);
    };
    if (hurry?.aborted === true) onHurry();
    hurry?.addEventListener('abort', onHurry, { once: true });
    this.#stopped.abort();
    const works = [
      () => this.#pull?.stop(0),
      () => this.#session?.stop(),
      // What was begun has seen by now that it is over.
      () => this.#working,
      () => this.#session?.stop(),
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
