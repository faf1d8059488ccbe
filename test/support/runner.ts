import { join } from 'node:path';
import { Seal, type Cgroups } from '../../src/execution/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import type { AccessKey, JobData } from '../../src/protocol/ui/index.ts';
import { Executors, localProvider } from '../../src/runner/executors/index.ts';
import type { JobContext } from '../../src/runner/job-context.ts';
import type { Logger } from '../../src/telemetry/index.ts';

export interface LogLine {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

/** A logger that keeps its lines. */
export function recordingLogger(): { logger: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}) => {
      lines.push({ level, message, fields });
    };
  const logger: Logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  };
  return { logger, lines };
}

export interface JobContextOptions extends Partial<JobContext> {
  cgroups?: Cgroups | undefined;
  abandon?: (taskId: number) => Promise<void>;
}

/** What a job needs, on this machine; `execute` stands for the tasks room. */
export function jobContext(root: string, execute: JobContext['execute'], more: JobContextOptions = {}): JobContext {
  const { abandon = () => Promise.resolve(), cgroups, ...rest } = more;
  const logger = more.logger ?? recordingLogger().logger;
  const openPlace = () => Promise.reject(new Error('no task of this test has a place'));
  return {
    jobsRoot: join(root, 'jobs'),
    seal: Seal.fromToken('token'),
    clock: systemClock,
    logger: recordingLogger().logger,
    maxLineBytes: 65_536,
    masking: { enabled: true, minLength: 4 },
    ownSecrets: [],
    timeOuts: { taskTimeoutMs: undefined, noOutputTimeoutMs: undefined },
    onNews: () => undefined,
    executors: new Executors('local', () => localProvider({ openPlace, cgroups, abandon, logger })),
    execute,
    ...rest,
  };
}

/** A job of which only the id matters. */
export function jobData(id: number): JobData {
  // The runner room passes the job on unread; building a whole one would only hide that.
  return { task: { id } } as unknown as JobData;
}

export const noKeys: ReadonlyMap<number, AccessKey> = new Map();

/** Polls until `check` gives something, at most `timeoutMs`. */
export async function eventually<T>(check: () => T | undefined | false, timeoutMs = 10_000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = check();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error('what the test waits for did not happen in time');
    await systemClock.sleep(5);
  }
}
