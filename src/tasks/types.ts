/**
 * The words of this room. A **runner** polls a server and takes **tasks**; what a task runs is its **template**; the tool
 * that a template uses is its **app** (ansible, bash, …). A task is a few **steps**, each one process; an **executor** is
 * the place where steps run (this host, a container, a pod). Executors and tasks know each other through this file only.
 */
import type { SshConfig } from '../config/index.ts';
import type { CaptureResult, ProcessResult, ProcessSpec } from '../execution/index.ts';
import type { GitAccess, GitCredentials, Revision } from '../git/index.ts';
import type { JobData, Repository, TaskStatus } from '../protocol/ui/index.ts';
import type { HandOver } from '../secrets/index.ts';
import type { AgentKey } from '../ssh/index.ts';

/** Part of a task that a step belongs to; named in the line that explains a failure. */
export type Phase = 'prepare' | 'clone' | 'inventory' | 'requirements' | 'run' | 'outputs';

export interface Step extends ProcessSpec {
  /** Unique within the task and the same on every replay, for example `clone`, `run`, `apply`. */
  key: string;
  phase: Phase;
}

export interface Commit {
  hash: string;
  /** First line, at most 100 characters (spec 3.6). */
  message: string;
}

/** What a user says to a task that waits for it (spec 5.1). */
export type Decision = 'confirmed' | 'rejected';

/** What an executor offers to the task that runs on it. */
export interface TaskHost {
  /** Aborted when the task is to stop; every wait and every process of the task ends on it. */
  readonly signal: AbortSignal;
  /** Runs one process; its output goes to the task's log. */
  run(step: Step): Promise<ProcessResult>;
  /** Runs one short process whose standard output is the result and not part of the log; standard error comes back too. */
  capture(step: Step): Promise<CaptureResult>;
  /**
   * Runs a short process as `capture` does, but beside the record: on a replay it runs again. For what the task needs around
   * its steps, and what may have ended with the earlier process.
   */
  assist(spec: ProcessSpec): Promise<CaptureResult>;
  /**
   * The last bytes (at most `bytes`, 16 KiB when left out; as text, not masked) that the latest run of the step with this key
   * wrote to the log, or has written so far; "" when it wrote nothing.
   */
  tail(key: string, bytes?: number): Promise<string>;
  /** Appends a line of the runner itself to the task's log: the same one when the task is played again, which is then not said again. */
  log(line: string): void;
  /** The same for a line that is not part of the task, and may be another one, or none, the next time: what is waited for. */
  remark(line: string): void;
  /** Registers text that must not appear in the log. */
  addSecret(value: string): void;
  setStatus(status: TaskStatus): void;
  /**
   * Sets `waiting_confirmation` and resolves with what a user decides; the status is then what they decided, until the task
   * sets another one. Rejects when `signal` is aborted.
   */
  waitForDecision(): Promise<Decision>;
  setCommit(commit: Commit): void;
  /**
   * Does `work` once in the life of the task, also when the runner is killed and another process takes the task up: what it
   * resolved with is recorded, encrypted, and given back when the task is played again. For everything that must not be done
   * twice, or that a running step depends on: paths, ports, random names. `key` is unique within the task and the same on every
   * replay; the value must survive JSON. What the work itself runs, says and does once, it does through the host that it is given: that
   * is how the record knows what not to expect again.
   */
  once<Value>(key: string, work: (host: TaskHost) => Promise<Value>): Promise<Value>;
  /** True when an earlier process began this task and this one plays it again up to where that one was (architecture, decision 1). */
  readonly resumed: boolean;
  /** True when the step with this key was running when the earlier process ended. */
  wasInterrupted(key: string): boolean;
}

/** How a task ended, before it becomes a status. */
export type TaskOutcome =
  /** `outputs` is the document of a workflow task (spec 5.13), JSON as text. */
  | { kind: 'success'; outputs?: string | undefined }
  | { kind: 'stopped' }
  /** `reason` is one line for the end of the log: phase, cause, hint. */
  | { kind: 'failed'; reason: string };

export type FileKind = 'file' | 'directory' | 'link' | 'other';

/**
 * Files of a task as its processes see them: on this machine, or in a container. Paths are absolute. What cannot be done rejects with
 * an Error whose `code` is the system's where there is one (`ENOENT`, `EACCES`, …). Links at the end of a path are followed unless
 * a method says otherwise.
 */
export interface TaskFiles {
  /** What is there; undefined when nothing can be seen there. `link` only when `links` is `tell`, else links are followed. */
  kindOf(path: string, links?: 'follow' | 'tell'): Promise<FileKind | undefined>;
  /** Undefined when there is no such file. At most `maxBytes` (all when left out). Waits for no pipe. */
  read(path: string, maxBytes?: number): Promise<Buffer | undefined>;
  /** The same, but refuses (code ELOOP, EINVAL or EPERM) what is a link, no regular file, or belongs to another user than the task's. */
  readOwn(path: string, maxBytes?: number): Promise<Buffer | undefined>;
  /** Writes a whole file; refuses (ELOOP) to write through a link. `mode` is for one that is new. */
  write(path: string, content: string | Buffer, mode: number): Promise<void>;
  /** Removes a file if it is there. */
  remove(path: string): Promise<void>;
  /** Names in a directory; none when there is no such directory. */
  list(path: string): Promise<string[]>;
  /** Without links. */
  realPath(path: string): Promise<string>;
  /** The executable that a name, or a path, stands for; `version` is another one for any other file at this path, in any image. */
  which(command: string, searchPath: string, cwd: string): Promise<{ path: string; version: string } | undefined>;
}

/** A repository that is to be brought to where the task runs. */
export interface TreeRequest {
  repository: Repository;
  revision: Revision;
  /** Two requests with the same name mean the same directory. */
  name: string;
  credentials: GitCredentials;
  /** Keys for other hosts and URLs, for submodules. */
  access: GitAccess;
  /** ssh as the task has it (its configuration file may be one of the task's own). */
  ssh: SshConfig;
  /** Names the git steps. */
  keyPrefix: string;
}

export type TreeResult =
  | { kind: 'done'; directory: string; commit: Commit | undefined }
  | { kind: 'stopped' }
  /** `reason`: cause and hint in one line, without credentials. */
  | { kind: 'failed'; reason: string };

/**
 * Where a task runs, once it is ready for it: this machine, or the containers of the task. Everything is the same when the task is
 * played again.
 */
export interface TaskPlace {
  /** For every process of the task: runs them as the task's user. */
  readonly host: TaskHost;
  readonly files: TaskFiles;
  /** What every process of the task starts from. */
  readonly baseEnv: Readonly<Record<string, string>>;
  /** As configured, with the paths that the administrator's files have here. */
  readonly ssh: SshConfig;
  /** Where the tools are, for people who miss one: "on the runner's machine", "in the image debian:12". */
  readonly toolsAt: string;
  /** 0700, for what belongs to this task alone; gone with it. */
  readonly privateDirectory: string;
  /** Writes a file into the private directory, mode 0600, unless an earlier process has. Returns its path. */
  writePrivate(name: string, content: string): Promise<string>;
  /** Home of the template's tools and what is noted about it. Both may be new, or from an earlier task. */
  takeHome(repositoryId: number, templateId: number): Promise<{ home: string; internal: string }>;
  /** Lets tools read secrets from these paths (in the private directory), until the task ends; as often as they like. */
  handOver(handOvers: readonly HandOver[]): Promise<void>;
  /** Socket of an ssh-agent that offers these keys in this order, until the task ends. Throws UserError. */
  startAgent(name: string, keys: readonly AgentKey[]): Promise<string>;
  /** A directory (0700) of the task's own for sockets, whose path has at most `maxBytes` bytes; a socket's path is short. */
  socketDirectory(name: string, maxBytes: number): Promise<string>;
  /** Checks a repository out. Never rejects for what may happen to git. */
  checkOut(request: TreeRequest): Promise<TreeResult>;
  /** Where the files of a local repository (a path on the runner's machine) are; undefined when there is no such directory. */
  localTree(path: string, key: string): Promise<string | undefined>;
  /** Removes what belongs to the task alone. Safe to call twice. */
  close(): Promise<void>;
}

/** Makes the place of one task ready: directories, or containers. Throws UserError with cause and remedy. */
export type OpenPlace = (job: JobData, host: TaskHost) => Promise<TaskPlace>;
