import { userInfo } from 'node:os';
import { messageOf, UserError, type Clock } from '../lib/index.ts';
import type { EncodedVariable, JobFile } from '../protocol/ci/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { exportStep } from './host-executor/export-step.ts';
import { injectFile, normalisePath } from './host-executor/inject-file.ts';
import { PrivateFiles } from './host-executor/private-files.ts';
import { quoteWord } from './host-executor/quote-word.ts';
import { authorizeKeys, ProfileLines, usualJumpPoint, writeJumpPoint } from './host-executor/remote-access.ts';
import type { JobCommand, JobEvents, JobExecutor } from './job-executor.ts';
import { ShellSession } from './shell-session/index.ts';
import { showCommand, showWork } from './show-step.ts';

export interface HostExecutorOptions {
  events: JobEvents;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  clock: Pick<Clock, 'now'>;
  /** The whole environment of the job's shell, before the job's own variables: the agent's. */
  env: Readonly<Record<string, string>>;
  /** Where the shell starts; it goes to the home directory at once. */
  cwd: string;
  /** Lets somebody look into the job from outside (spec CI 3.6): `agent serve` and `agent run`. @default nobody */
  remoteAccess?: RemoteAccess | undefined;
  /** From TERM to KILL, milliseconds. @default as `ShellSession` has it */
  stopGraceMs?: number | undefined;
  /** Aborted when KILL shall not wait for that. It stops nothing by itself. */
  hurry?: AbortSignal | undefined;
  /** How long the shell may take to its first prompt, milliseconds. @default as `ShellSession` has it */
  startTimeoutMs?: number | undefined;
}

export interface RemoteAccess {
  /** Base64, one line each. */
  sshPublicKeys: readonly string[];
  /** Path of the script that debug sessions start. @default '/tmp/ssh_jump_point' */
  jumpPoint?: string | undefined;
}

/**
 * Runs a job on this host, in one login shell (spec CI 6.1).
 *
 *     new ─start▶ started      any ─stop▶ stopped: shell and processes are gone, and so is what was left on the disk for them
 */
export class HostExecutor implements JobExecutor {
  readonly #options: HostExecutorOptions;
  readonly #files = new PrivateFiles();
  #profile: ProfileLines | undefined;
  #session: ShellSession | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: HostExecutorOptions) {
    this.#options = options;
  }

  async prepare(): Promise<number> {
    const { remoteAccess, logger } = this.#options;
    if (!remoteAccess) return 0;
    try {
      await authorizeKeys(this.#home(), remoteAccess.sshPublicKeys);
      await writeJumpPoint(remoteAccess.jumpPoint ?? usualJumpPoint);
      return 0;
    } catch (error: unknown) {
      logger.error('The job cannot be opened for debug sessions', { error: messageOf(error) });
      return 1;
    }
  }

  async start(): Promise<number> {
    const { env, cwd, logger, stopGraceMs, startTimeoutMs } = this.#options;
    if (this.#stopping) return 1;
    this.#session = new ShellSession({
      command: 'bash',
      args: ['--login'],
      cwd,
      env,
      log: logger,
      ...(stopGraceMs !== undefined && { stopGraceMs }),
      ...(startTimeoutMs !== undefined && { startTimeoutMs }),
    });
    try {
      const result = await this.#session.start();
      if (result.kind === 'ready') return 0;
      logger.error('The shell of the job did not start', { error: result.reason });
    } catch (error: unknown) {
      const hint = error instanceof UserError && error.hint !== undefined ? { hint: error.hint } : {};
      logger.error('The shell of the job did not start', { error: messageOf(error), ...hint });
    }
    return 1;
  }

  exportVariables(job: readonly EncodedVariable[], host: readonly { name: string; value: string }[]): Promise<number> {
    const source = async (script: Buffer): Promise<number> =>
      this.#session && !this.#stopping ? await this.#source(this.#session, script) : 1;
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

  async #source(session: ShellSession, script: Buffer): Promise<number> {
    const file = this.#files.write(script);
    // What the shell says of them may quote them: it is not for any log.
    const { exitCode } = await session.evaluate(`\\builtin . ${quoteWord(file)}`);
    if (this.#options.remoteAccess && exitCode === 0) {
      this.#profile ??= new ProfileLines(this.#home());
      await this.#profile.add(`source ${quoteWord(file)}`);
    } else {
      this.#files.remove(file);
    }
    return exitCode;
  }

  async #inject(file: JobFile): Promise<number> {
    const { events } = this.#options;
    const path = normalisePath(file.path, this.#home());
    events.output(`Injecting ${path} with file mode ${file.mode}\n`);
    const { exitCode, output } = await injectFile(path, file);
    if (output !== undefined) events.output(output);
    return exitCode;
  }

  async #stop(): Promise<void> {
    const { logger, hurry } = this.#options;
    const onHurry = (): void => void this.#session?.stop(0);
    if (hurry?.aborted === true) onHurry();
    hurry?.addEventListener('abort', onHurry, { once: true });
    const works = [() => this.#session?.stop(), () => this.#profile?.remove(), () => this.#files.removeAll()];
    for (const work of works) {
      try {
        await work();
      } catch (error: unknown) {
        logger.warn('Something of the job is left behind', { error: messageOf(error) });
      }
    }
    hurry?.removeEventListener('abort', onHurry);
  }

  /** As a login shell has it. Throws the system's error when the agent's user has none. */
  #home(): string {
    const home = this.#options.env['HOME'] ?? '';
    return home === '' ? userInfo().homedir : home;
  }
}
