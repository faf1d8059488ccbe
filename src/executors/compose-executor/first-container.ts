import { randomBytes } from 'node:crypto';
import type { Logger } from '../../telemetry/index.ts';
import { usualJumpPoint, writeJumpPoint } from '../host-executor/remote-access.ts';
import type { JobEvents } from '../job-executor.ts';
import { ShellSession } from '../shell-session/index.ts';
import { callDocker } from './call-docker.ts';
import type { ComposeJob } from './compose-job.ts';
import { ContainerProcess } from './container-process.ts';
import type { ComposeDirectory } from './job-directory.ts';
import { jumpScript } from './jump-script.ts';
import { nameIsTaken, noSuchProgram, startFailure } from './start-failure.ts';

export interface FirstContainerOptions {
  /** What the job calls it. */
  wanted: string;
  /** Path of the script that debug sessions start. @default '/tmp/ssh_jump_point' */
  jumpPoint?: string | undefined;
  events: Pick<JobEvents, 'output'>;
  logger: Pick<Logger, 'info' | 'warn'>;
  cwd: string;
  stopGraceMs?: number | undefined;
  /** @default 120_000 */
  startTimeoutMs?: number | undefined;
  /** Aborted when the job is stopped. */
  stopped: AbortSignal;
}

/** What the engine takes for the name of a container. */
const validName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** The container with the shell of a job: its name, which people see, and its session. */
export class FirstContainer {
  readonly #options: FirstContainerOptions;
  #name: string;
  #session: ShellSession | undefined;

  constructor(options: FirstContainerOptions) {
    this.#options = options;
    this.#name = options.wanted;
  }

  /** Undefined before `open`. */
  get session(): ShellSession | undefined {
    return this.#session;
  }

  /** Throws the system's error. */
  async writeJumpPoint(): Promise<void> {
    await writeJumpPoint(this.#options.jumpPoint ?? usualJumpPoint, jumpScript(this.#name));
  }

  /** Starts it, with what is shown of that (spec CI 6.2). Resolves with an exit code. */
  async open(job: ComposeJob, directory: ComposeDirectory, env: Readonly<Record<string, string>>): Promise<number> {
    const { events, stopped } = this.#options;
    events.output('Starting a new bash session.\n');
    if (await this.#isTaken(env)) await this.#useAnotherName();
    let reason = await this.#try(job, directory, env);
    if (reason !== undefined && nameIsTaken.test(reason) && !stopped.aborted) {
      // Somebody was faster.
      await this.#useAnotherName();
      reason = await this.#try(job, directory, env);
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
  async #try(
    job: ComposeJob,
    directory: ComposeDirectory,
    env: Readonly<Record<string, string>>,
  ): Promise<string | undefined> {
    const { cwd, logger, stopGraceMs, startTimeoutMs = 120_000, stopped } = this.#options;
    const name = this.#name;
    const spec = { ...job.sessionCommand(name), cwd, env };
    this.#session = new ShellSession({
      open: (handlers) => new ContainerProcess(spec, () => job.findContainer(name), handlers),
      transport: directory.transport,
      startTimeoutMs,
      ...(stopGraceMs !== undefined && { stopGraceMs }),
      log: logger,
    });
    if (stopped.aborted) return 'it was stopped';
    const result = await this.#session.start();
    return result.kind === 'ready' ? undefined : startFailure(result.reason, job.readErrors());
  }

  async #isTaken(env: Readonly<Record<string, string>>): Promise<boolean> {
    if (!validName.test(this.#name)) return true;
    return (await callDocker(['container', 'inspect', '--format', '{{.Id}}', this.#name], env)).ok;
  }

  async #useAnotherName(): Promise<void> {
    const { logger, wanted } = this.#options;
    this.#name = `${validName.test(wanted) ? wanted : 'main'}-${randomBytes(4).toString('hex')}`;
    logger.info('The first container of the job cannot have the name it is to have: it gets another', {
      wanted,
      name: this.#name,
    });
    await this.writeJumpPoint();
  }
}
