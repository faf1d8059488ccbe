import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJobFile } from '../../config/index.ts';
import { sweepComposeJobs } from '../../executors/index.ts';
import { createTransport } from '../../http/index.ts';
import { type Clock, removeTree, UserError } from '../../lib/index.ts';
import {
  fromYamlSpelling,
  type JobRequest,
  type JobResult,
  readJobRequest,
  userAgentOf,
} from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { createCallbacks } from '../hosted/index.ts';
import { createJob } from '../job/create-job.ts';
import { openJobLog, uploadPolicyOf } from '../log/index.ts';
import type { JobLog, JobTeardown } from '../types.ts';

/** Of each callback, a second apart (spec CI 2.8). */
const callbackAttempts = 60;

export interface RunJobFileOptions {
  request: JobRequest;
  /** Told each event, as a line of JSON. */
  onLine: (json: string) => void;
  /** Aborted by the first Ctrl-C: the job is stopped. */
  stop: AbortSignal;
  /** Aborted by the second: at once, and callbacks are given up. */
  hurry: AbortSignal;
  maskSecrets: boolean;
  version: string;
  env: Readonly<Record<string, string>>;
  cwd: string;
  clock: Clock;
  logger: Logger;
}

/** A job of a file: checked, and as a server would hand it out. */
export interface JobOfFile {
  request: JobRequest;
  wire: Readonly<Record<string, unknown>>;
  /** Keys that mean nothing, such as those of old examples. */
  ignored: readonly string[];
}

/** Of a job request (spec CI 4.1); `job_name` is one that servers send and agents pass over. */
const knownKeys = new Set([
  'job_id',
  'job_name',
  'executor',
  'compose',
  'commands',
  'ssh_public_keys',
  'epilogue_always_commands',
  'epilogue_on_pass_commands',
  'epilogue_on_fail_commands',
  'env_vars',
  'file',
  'files',
  'callbacks',
  'logger',
]);

/** Reads and checks the job of a file (spec CI 4.3). Throws UserError. */
export async function readJob(path: string): Promise<JobOfFile> {
  const { value, spelling } = await readJobFile(path);
  const request = readJobRequest(value, { spelling });
  const wire = spelling === 'yaml' ? fromYamlSpelling(value) : value;
  const keys = typeof wire === 'object' ? { ...wire } : {};
  const ignored = Object.keys(keys).filter((key) => !knownKeys.has(key.toLowerCase()));
  return { request, wire: keys, ignored };
}

/** Throws UserError for a job that needs a server. */
export function checkRunnable(request: JobRequest): void {
  const { method } = request.logger;
  if (method !== 'pull') {
    throw new UserError(`the logger of a job that is run from a file is pull, not ${method}`, {
      hint: 'Leave `logger` out. `semaphore agent playground` runs the job with a log that is pushed.',
    });
  }
}

/** `agent run` (spec CI 1.9): one job on this host, like a hosted one whose log nobody fetches. Throws UserError when it cannot begin. */
export async function runJobFile(run: RunJobFileOptions): Promise<JobResult> {
  const { request, env, cwd, clock, logger } = run;
  // Not that of other agents: nobody delivers what this one leaves.
  const state = await mkdtemp(join(tmpdir(), 'semaphore-run-'));
  const sweep = request.executor === 'dockercompose' ? sweepComposeJobs({ env, clock, logger }) : undefined;
  try {
    const log = await openJobLog({
      request,
      state,
      sealToken: randomBytes(16).toString('hex'),
      upload: uploadPolicyOf({ mode: 'run', variables: request.variables }),
      env,
      clock,
      logger,
    });
    const shown: JobLog = {
      write: (line) => {
        run.onLine(line);
        log.write(line);
      },
      close: (options) => log.close(options),
    };
    const { teardown, close } = await teardownOf(run);
    let job;
    try {
      job = createJob({
        request,
        log: shown,
        mode: 'run',
        teardown,
        maskSecrets: run.maskSecrets,
        env,
        cwd,
        clock,
        logger,
        hurry: run.hurry,
        compose: { exposeKvm: true },
      });
    } catch (error: unknown) {
      await log.close({});
      throw error;
    }
    return await job(run.stop).finally(close);
  } finally {
    await sweep;
    await removeTree(state, tmpdir());
  }
}

/** Callbacks only where the job names them. */
async function teardownOf(run: RunJobFileOptions): Promise<{ teardown: JobTeardown; close: () => void }> {
  const { callbacks } = run.request;
  if (callbacks.finished === '' && callbacks.teardownFinished === '') {
    return { teardown: {}, close: () => undefined };
  }
  const transport = await createTransport({ env: run.env });
  const { finished, teardownFinished } = createCallbacks({
    callbacks,
    transport,
    userAgent: userAgentOf(run.version),
    attempts: callbackAttempts,
    clock: run.clock,
    giveUp: run.hurry,
    logger: run.logger,
  });
  return {
    teardown: {
      ...(callbacks.finished === '' ? {} : { finished }),
      ...(callbacks.teardownFinished === '' ? {} : { teardownFinished }),
    },
    close: () => transport.close(),
  };
}
