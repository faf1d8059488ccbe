import type { Readable } from 'node:stream';
import type { Clock } from '../../lib/index.ts';
import type { JobRequest, JobResult } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { AgentSignals } from '../listener/index.ts';
import type { JobTeardown } from '../types.ts';

/** Where the certificate comes from. */
export type TlsOptions =
  /** PEM files, relative to the working directory. */
  | { kind: 'files'; certPath: string; keyPath: string }
  /** Made now and kept in memory, for localhost and these names and addresses. */
  | { kind: 'self-signed'; names?: readonly string[] };

export interface HostedJobControl {
  /** Aborted when the job shall end. */
  stop: AbortSignal;
  teardown: Required<Pick<JobTeardown, 'finished' | 'archived' | 'teardownFinished'>>;
}

/** A job that was built: its log is open, its executor chosen. */
export interface HostedJob {
  /** Runs it to the end of its teardown. Called once. */
  run(control: HostedJobControl): Promise<JobResult>;
  /** The lines of its log from line `startFrom` (from 0) to the present end. Throws the system's error when the log is gone. */
  readLog(startFrom: number): Readable;
}

/** Builds a job (spec CI 5.1). Rejects when that cannot be done: an unknown executor, a logger that pushes, no room on the disk. */
export type BuildHostedJob = (request: JobRequest) => Promise<HostedJob>;

export interface ServeOptions {
  /** Of the tokens that requests carry; its raw bytes are the key. */
  authTokenSecret: string;
  /** Address to listen on. */
  host: string;
  /** 0 takes a free one. */
  port: number;
  tls: TlsOptions;
  /** Of each callback, one second apart. 0 means 300. */
  callbackAttempts: number;
  /** For `/status` and the callbacks. */
  version: string;
  /** The agent's own log, for `/agent_logs`; undefined when it is not written to a file. */
  agentLogFile: string | undefined;
  buildJob: BuildHostedJob;
  /** The first signal ends job and server in good order, `quit` at once. */
  signals: AgentSignals;
  /** Told each request in the common log format of web servers (spec CI 1.3), without line end. */
  accessLog: (line: string) => void;
  /** Told when requests are taken. */
  onListening?: ((address: { url: string; port: number }) => void) | undefined;
  /** Proxy variables for the callbacks. */
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  logger: Logger;
}
