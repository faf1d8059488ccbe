import type { SshConfig } from '../config/index.ts';
import type { CaptureResult, ProcessResult, ProcessSpec, StopLadder } from '../execution/index.ts';
import type { GitAccess } from './access.ts';

/** One git process; `key` is unique within the task and the same when the task is replayed. */
export interface GitStep extends ProcessSpec {
  key: string;
}

/** The way to run git, and to say in the task's log what is going on. A task's host is one. */
export interface GitHost {
  /** Aborted when the task is to stop: every process and every wait ends. */
  readonly signal: AbortSignal;
  /** Runs git with its output live in the log. */
  run(step: GitStep): Promise<ProcessResult>;
  /** Runs git for what it prints. */
  capture(step: GitStep): Promise<CaptureResult>;
  /** The end of what the step with this key wrote to the log. */
  tail(key: string): Promise<string>;
  log(line: string): void;
  /**
   * Does something once, also when another process plays the checkout again: what it resolved with is given back then. The work
   * asks what it needs of the host that it is given.
   */
  once<Value>(key: string, work: (host: GitHost) => Promise<Value>): Promise<Value>;
  /** True when an earlier process began the task. */
  readonly resumed: boolean;
}

/** What opens a repository. */
export type GitCredentials =
  | { kind: 'none' }
  /** For http and https. An empty login stands for a token in the password. */
  | { kind: 'password'; login: string; password: string }
  /** Socket of an ssh-agent that holds the key. */
  | { kind: 'agent'; socket: string };

export type Revision =
  /** A branch, or a tag when there is no such branch. */
  | { kind: 'branch'; name: string }
  /** Exactly this: a hash (7 to 64 hex digits), a tag or a branch. */
  | { kind: 'commit'; name: string };

/** Everything a checkout depends on. */
export interface CheckoutRequest {
  /** As configured, credentials in it included. Not a local path: those are used in place. */
  url: string;
  revision: Revision;
  credentials: GitCredentials;
  /** Keys for other hosts and URLs, which submodules may need; for a repository without credentials also its own. */
  access?: GitAccess | undefined;
  /** Absolute path of the bare repository that holds the objects. Several tasks may name the same one. */
  mirror: string;
  /** Absolute path of the working tree; the caller alone uses it. Untracked files in it are kept. */
  directory: string;
  /** 0700; for the pipe that hands over a password. */
  privateDirectory: string;
  /** Names the steps, for example `clone`. */
  keyPrefix: string;
  /** Environment to start from: `PATH`, `HOME`, what the configuration adds. */
  env: Readonly<Record<string, string>>;
  ssh: SshConfig;
  /** Attempts to reach the repository; 1 means no retry. */
  attempts: number;
  stop: StopLadder;
  uid?: number | undefined;
  gid?: number | undefined;
}

export interface CheckedOutCommit {
  hash: string;
  /** First line, at most 100 characters. */
  message: string;
}

export type CheckoutResult =
  | { kind: 'done'; commit: CheckedOutCommit }
  | { kind: 'stopped' }
  /** `reason`: cause and hint in one line, without credentials. */
  | { kind: 'failed'; reason: string };
