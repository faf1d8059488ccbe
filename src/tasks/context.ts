import type { RunnerConfig } from '../config/index.ts';
import { messageOf, UserError } from '../lib/index.ts';
import type { AccessKey, JobData } from '../protocol/ui/index.ts';
import { readKey } from '../ssh/index.ts';
import { openHostAccess, type HostAccess } from './host-access.ts';
import { TaskProblem, TaskStopped } from './problem.ts';
import type { Phase, TaskFiles, TaskHost, TaskPlace } from './types.ts';

export interface TaskContextOptions {
  job: JobData;
  keys: ReadonlyMap<number, AccessKey>;
  config: RunnerConfig;
  place: TaskPlace;
}

/** What the parts of one task share. What they open is closed with it. */
export class TaskContext {
  readonly job: JobData;
  readonly keys: ReadonlyMap<number, AccessKey>;
  readonly config: RunnerConfig;
  readonly place: TaskPlace;
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #sockets = new Map<string, Promise<string>>();
  #hostAccess: Promise<HostAccess> | undefined;

  constructor(options: TaskContextOptions) {
    this.job = options.job;
    this.keys = options.keys;
    this.config = options.config;
    this.place = options.place;
  }

  /** For every process of the task. */
  get host(): TaskHost {
    return this.place.host;
  }

  get files(): TaskFiles {
    return this.place.files;
  }

  /** What every process of the task starts from. */
  get baseEnv(): Readonly<Record<string, string>> {
    return this.place.baseEnv;
  }

  /** Socket of an ssh-agent with this key; one per key and task. Throws TaskProblem when the key cannot be read. */
  agentSocket(key: AccessKey, phase: Phase): Promise<string> {
    return this.agentSocketOf([key], phase);
  }

  /** Socket of an ssh-agent that offers these keys in this order. Throws TaskProblem when there can be none with them. */
  agentSocketOf(keys: readonly AccessKey[], phase: Phase): Promise<string> {
    const name = `agent-${keys.map(({ id }) => id).join('-')}`;
    const known = this.#sockets.get(name);
    if (known) return known;
    const socket = this.#startAgent(name, keys, phase);
    this.#sockets.set(name, socket);
    return socket;
  }

  /** The keys for other hosts and URLs. Throws TaskProblem when the server sent what cannot be one. */
  hostAccess(): Promise<HostAccess> {
    return (this.#hostAccess ??= openHostAccess(this));
  }

  /** Has `close` called when the task ends, however it ends, while its place is still there. */
  onClose(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    // All of them, also when one fails: none may outlive the task.
    await Promise.allSettled(this.#closers.map((close) => close()));
    this.#closers.length = 0;
  }

  async #startAgent(name: string, keys: readonly AccessKey[], phase: Phase): Promise<string> {
    const read = await Promise.all(keys.map((key) => this.#read(key, phase)));
    try {
      return await this.place.startAgent(name, read);
    } catch (error: unknown) {
      if (this.host.signal.aborted) throw new TaskStopped();
      if (error instanceof UserError) throw new TaskProblem(phase, error.message, error.hint);
      throw error;
    }
  }

  async #read(key: AccessKey, phase: Phase) {
    try {
      return await readKey(key.ssh.privateKey, key.ssh.passphrase, key.name);
    } catch (error: unknown) {
      throw new TaskProblem(
        phase,
        `the key "${key.name}" cannot be used: ${messageOf(error)}`,
        error instanceof UserError ? error.hint : undefined,
      );
    }
  }
}
