import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { PtyProcess, type PtyExit, type PtyHandlers, type PtySpec } from '../../execution/index.ts';
import { InternalError } from '../../lib/index.ts';
import {
  lookerCommand,
  ShellLooker,
  type Look,
  type LookerChannel,
  type OpenLooker,
  type SessionProcess,
} from '../shell-session/index.ts';
import { callDocker } from './call-docker.ts';

/** How long the last words may take when the container is gone, milliseconds. */
const lastWordsMs = 3000;
/**
 * Ways to run a process beside the shell. As root with all rights it sees everything, also where the kernel lets processes be looked at by
 * their ancestors only (Yama); where the engine does not give these rights, as the user of the container.
 */
const lookerRights: readonly (readonly string[])[] = [['--user', '0', '--privileged'], []];

/**
 * The shell of a job in its container. The terminal that we have is that of the command which has started the container and passes on
 * everything; what happens behind is seen by a second process in the container.
 */
export class ContainerProcess implements SessionProcess {
  readonly #findContainer: () => Promise<string | undefined>;
  readonly #env: Readonly<Record<string, string>>;
  readonly #command: PtyProcess;
  readonly #ended: Promise<void>;
  readonly #looker: ShellLooker;
  readonly #cut = new AbortController();
  readonly leadsForeground = undefined;
  /** They are the command's, not the shell's. */
  readonly spareDescriptors: readonly number[] = [];
  #rights = 0;
  #shell: number | undefined;
  #stopping: Promise<readonly { pid: number }[]> | undefined;

  /**
   * `spec`: the command that starts the container and attaches our terminal; `findContainer` gives its id when it is there: by its name
   * alone another might be meant, which has the name already. Throws UserError.
   */
  constructor(spec: PtySpec, findContainer: () => Promise<string | undefined>, handlers: PtyHandlers) {
    this.#findContainer = findContainer;
    this.#env = spec.env;
    let ended: () => void = () => undefined;
    this.#ended = new Promise((resolve) => (ended = resolve));
    this.#command = new PtyProcess(spec, {
      onData: handlers.onData,
      onExit: (exit) => {
        ended();
        handlers.onExit(exit);
      },
    });
    this.#looker = new ShellLooker((channel) => this.#openLooker(channel));
  }

  get exit(): PtyExit | undefined {
    return this.#command.exit;
  }

  write(text: string): void {
    this.#command.write(text);
  }

  pause(): void {
    this.#command.pause();
  }

  resume(): void {
    this.#command.resume();
  }

  look(shell: number | undefined): Promise<Look> {
    this.#shell = shell;
    return this.#looker.look(shell);
  }

  hangUp(group: number): void {
    this.#looker.hangUp(group);
  }

  drain(): Promise<void> {
    return this.#command.drain();
  }

  /**
   * Ends everything in the container: the shell is frozen, so that it does not go on with the next command; all others get TERM, and
   * after `graceMs` they go with the container.
   */
  stop(graceMs: number): Promise<readonly { pid: number }[]> {
    if (this.#stopping) setTimeout(() => this.#cut.abort(), graceMs).unref();
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  async #stop(graceMs: number): Promise<readonly { pid: number }[]> {
    const container = await this.#findContainer();
    if (container !== undefined && !this.exit && graceMs > 0) {
      // The first process of a container does not let itself be stopped from inside.
      const frozen = await callDocker(['kill', '--signal', 'STOP', container], this.#env);
      if (frozen.ok) await this.#looker.endOthers(this.#shell, graceMs, this.#cut.signal);
    }
    this.#looker.close();
    if (container !== undefined) {
      const removed = await callDocker(['rm', '--force', '--volumes', container], this.#env);
      // It ends with the container, when it has handed over the last words.
      if (removed.ok && graceMs > 0) await Promise.race([this.#ended, delay(lastWordsMs, undefined, { ref: false })]);
    }
    return await this.#command.stop(0);
  }

  async #openLooker({ onData, onEnd }: Parameters<OpenLooker>[0]): Promise<LookerChannel> {
    const container = await this.#findContainer();
    if (container === undefined) throw new InternalError('the container of the shell is not there yet');
    const rights = lookerRights[this.#rights] ?? [];
    const args = ['exec', '--interactive', ...rights, container, ...lookerCommand];
    const child = spawn('docker', args, { env: this.#env, stdio: ['pipe', 'pipe', 'ignore'], detached: true });
    let hasAnswered = false;
    const ended = (): void => {
      // Perhaps these were the rights that it was refused.
      if (!hasAnswered) this.#rights = (this.#rights + 1) % lookerRights.length;
      onEnd();
    };
    child.once('error', ended);
    child.once('exit', ended);
    child.stdin.on('error', () => undefined);
    child.stdout.on('data', (bytes: Buffer) => {
      // What docker itself says of a refusal comes the same way.
      hasAnswered ||= /^\d+ [a-z]/.test(bytes.toString('latin1'));
      onData(bytes);
    });
    return { write: (text) => void child.stdin.write(text), close: () => void child.kill() };
  }
}
