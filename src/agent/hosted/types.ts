import type { Readable } from 'node:stream';
import type { HttpTransport } from '../../http/index.ts';
import type { Clock } from '../../lib/index.ts';
import type { JobRequest, JobResult } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { AgentSignals } from '../listener/index.ts';
import type { JobTeardown } from '../types.ts';

/** Where the certificate comes from; files are relative to the working directory. */
export interface TlsOptions {
  certPath: string;
  keyPath: string;
  /** Make one, when neither file is there. */
  selfSigned: boolean;
}

/** What the end of a hosted job is told to (spec CI 5.11). */
export type HostedTeardown = {
  [Part in 'finished' | 'archived' | 'teardownFinished']: NonNullable<JobTeardown[Part]>;
};

/** A job that was built: its log is open, its executor chosen. */
export interface HostedJob {
  /** Runs it to the end of its teardown, or until it is stopped. Called once. */
  run(stop: AbortSignal): Promise<JobResult>;
  /** The lines of its log from line `startFrom` (from 0) to the present end. Throws the system's error when the log is gone. */
  readLog(startFrom: number): Readable;
}

/** Builds a job (spec CI 5.1). Rejects when that cannot be done: an unknown executor, a logger that pushes, no room on the disk. */
export type BuildHostedJob = (request: JobRequest, teardown: HostedTeardown) => Promise<HostedJob>;

export interface ServeJobsOptions {
  /** Of the tokens that requests carry; its raw bytes are the key. */
  authTokenSecret: string;
  /** Address to listen on. */
  host: string;
  /** 0 takes a free one. */
  port: number;
  tls: TlsOptions;
  /** Of each callback, one second apart. */
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
  /** For the callbacks. */
  transport: HttpTransport;
  clock: Clock;
  logger: Logger;
}
