import { Readable } from 'node:stream';
import type { ComposeExecutorOptions } from '../../executors/index.ts';
import { type Clock, InternalError } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { createJob } from '../job/create-job.ts';
import { FileLog, openJobLog, uploadPolicyOf } from '../log/index.ts';
import type { Metrics } from '../statsd/index.ts';
import type { BuildHostedJob } from './types.ts';

export interface BuildJobOptions {
  /** As `openStateDirectory` gives it. */
  state: string;
  /** What is kept of a job's secrets on the disk is encrypted with it. */
  sealToken: string;
  /** Sourced in the job's shell; "" for none. */
  preJobHookPath: string;
  maskSecrets: boolean;
  /** The agent's own, which its jobs inherit. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** Where a debug session enters the job. @default '/tmp/ssh_jump_point' */
  jumpPoint?: string | undefined;
  /** What jobs of docker compose get of this host. @default nothing */
  compose?: Pick<ComposeExecutorOptions, 'files' | 'exposeKvm'> | undefined;
  /** @default none are kept */
  metrics?: Metrics | undefined;
  clock: Clock;
  logger: Logger;
}

/** Builds jobs of `agent serve` (spec CI 3.4): a log that is fetched, and a shell that can be looked into. */
export function createJobBuilder(options: BuildJobOptions): BuildHostedJob {
  const { state, sealToken, preJobHookPath, maskSecrets, env, cwd, jumpPoint, compose, metrics, clock, logger } =
    options;
  return async (request, teardown) => {
    const upload = uploadPolicyOf({ mode: 'hosted', variables: request.variables });
    const log = await openJobLog({ request, state, sealToken, upload, env, clock, logger });
    if (!(log instanceof FileLog)) throw new InternalError('a hosted job has a log that is pushed');
    let isFetched = true;
    const archived = async (): Promise<void> => {
      isFetched = false;
      await teardown.archived();
      isFetched = true;
    };
    try {
      const run = createJob({
        request,
        log: {
          write: (line) => log.write(line),
          // What nobody has fetched stays: the next agent with this state directory sets it aside.
          close: (closing) => (isFetched ? log.close(closing) : Promise.resolve()),
        },
        hooks: preJobHookPath === '' ? {} : { preJob: { path: preJobHookPath, source: true, failOnError: true } },
        mode: 'hosted',
        teardown: { ...teardown, archived },
        maskSecrets,
        env,
        cwd,
        jumpPoint,
        compose,
        metrics,
        clock,
        logger,
      });
      return { run, readLog: (startFrom) => readableOf(log.read(startFrom)) };
    } catch (error: unknown) {
      await log.close({});
      throw error;
    }
  };
}

/** Throws what the first piece throws, while an answer with an error is still possible. */
function readableOf(pieces: Generator<Buffer>): Readable {
  const first = pieces.next();
  if (first.done === true) return Readable.from([]);
  return Readable.from(following(first.value, pieces));
}

function* following(first: Buffer, rest: Generator<Buffer>): Generator<Buffer> {
  try {
    yield first;
    yield* rest;
  } finally {
    // Closes the file of a reader that was left.
    rest.return(undefined);
  }
}
