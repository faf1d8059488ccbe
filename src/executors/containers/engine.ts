/**
 * What the executors of runner tasks need of an engine that runs containers (spec 6): Docker, or Kubernetes. A task has two
 * containers, which share two volumes:
 *
 *     helper   image `helper_image`: has git; brings the repositories
 *     build    image `image`, or the template's `executor_image`: has the tools; every other process of the task runs here
 *
 *     /workspace   the repository, the home of the tools, logs and exit codes of the steps
 *     /secrets     in memory, for root and the user of the containers only: keys, passwords, variables
 *
 * Nothing secret is in what the engine is asked for (arguments, environment, labels): secrets go through the standard input of
 * processes started later. An image needs `/bin/sh` and the usual tools (cat, tail, mkdir, kill, …), no agent of ours.
 */

export type ContainerRole = 'helper' | 'build';

export interface ExecRequest {
  /** The command and its arguments. Visible to whoever sees the processes of the machine: never secrets. */
  argv: readonly string[];
  /**
   * Given to the standard input, at once. Whether the input ends after it depends on the engine (Kubernetes before 1.30 cannot end
   * it), so the command must know by itself how much there is to read.
   */
  input?: Buffer | undefined;
  /** Standard output as it comes. The bytes are the caller's. */
  onStdout?: ((bytes: Buffer) => void) | undefined;
  /** Aborted, nobody listens to the process any more; it is not ended by that. */
  signal?: AbortSignal | undefined;
}

export type ExecResult =
  /** `stderr`: at most its last 16 KiB. */
  | { kind: 'exited'; code: number; stderr: string }
  /** Nobody listens any more, but the containers may be there and the process may run on: ask again. */
  | { kind: 'dropped'; reason: string }
  /** The container has ended, or is gone; `reason` is for people: "out of memory (limit 2g)", "removed by somebody else". */
  | { kind: 'gone'; reason: string };

/** The containers of one task. */
export interface TaskContainers {
  /** The same on every replay, unique on the engine. */
  readonly name: string;
  /** Runs a process in one of the containers, as its user, without a terminal. Never rejects. */
  exec(role: ContainerRole, request: ExecRequest): Promise<ExecResult>;
  /** What is to be said of the limits that the task has met, one sentence each. Never rejects. Left out where there are no limits. */
  hits?(): Promise<string[]>;
  /**
   * Ends everything that runs in them (TERM, at most `graceMs`, KILL) and removes them with their volumes. Safe at any
   * moment and twice, also for containers that are only half made. Rejects (UserError) when something is left.
   */
  remove(graceMs: number): Promise<void>;
}

export interface ContainersRequest {
  /** Name of the containers (of the pod): lower-case letters, digits, `-`, at most 50 characters. */
  name: string;
  taskId: number;
  /** The template's `executor_image`; undefined for the configured one. */
  image: string | undefined;
}

export interface OpenOptions {
  /** Aborted: the task is to stop. What has been made is removed, and `open` rejects with the signal's reason. */
  signal: AbortSignal;
  /** For the task's log: what is pulled, what a pod waits for. Each thing once, not on every look. */
  say: (line: string) => void;
  /** An earlier process may have opened them: they are used as they are, and not made anew when they are gone. */
  resumed: boolean;
}

export interface ContainerEngine {
  readonly type: 'docker' | 'k8s';
  /** Asked when the runner starts. Throws UserError (cause, remedy) when the engine cannot be used: not there, no rights. */
  check(): Promise<void>;
  /**
   * Makes the containers and resolves when both run. Throws UserError with cause and remedy (image not found, no rights to pull it, no
   * room in the cluster); undefined when `resumed` and they are gone.
   */
  open(request: ContainersRequest, options: OpenOptions): Promise<TaskContainers | undefined>;
  /** Containers that an earlier process has opened, for ending them: never asks the engine. */
  find(name: string): TaskContainers;
  /**
   * Removes what this runner has left on the engine: everything with its label but what belongs to the `names` still in use. Returns
   * the names of what was removed. Throws UserError.
   */
  sweep(names: ReadonlySet<string>): Promise<string[]>;
}
