import type { HttpTransport } from '../../http/index.ts';
import { type Clock, messageOf, UserError } from '../../lib/index.ts';
import type { JobRequest } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { AcknowledgedFile } from './acknowledged-file.ts';
import type { DeliveryRecord } from './delivery-record.ts';
import { FileLog } from './file-log.ts';
import { LogDirectory } from './log-directory.ts';
import { PushedLog } from './pushed-log.ts';
import { Spool } from './spool.ts';
import { storageHint } from './storage-hint.ts';
import { uploadLog } from './upload-log.ts';
import { artifactAccessOf, type UploadPolicy } from './upload-policy.ts';
import { start } from './whole-lines.ts';

/** For logs that are pushed. */
export interface PushOptions {
  transport: HttpTransport;
  userAgent: string;
  /** A new token for the log of the job that runs (spec CI 2.5). */
  refresh: (signal: AbortSignal) => Promise<string>;
  /** Aborted when the agent cannot wait for the log any longer. */
  abandon: AbortSignal;
  /** How long the end of a log is tried for without a single success, milliseconds. @default 10 minutes */
  patienceMs?: number | undefined;
}

export interface OpenJobLogOptions {
  request: Pick<JobRequest, 'jobId' | 'logger' | 'variables'>;
  /** As `openStateDirectory` gives it. */
  state: string;
  /** The agent's own secret (registration token); what is kept of the job's tokens is encrypted with it. */
  sealToken: string;
  upload: UploadPolicy;
  /** Without it a job that wants its log pushed is refused. */
  push?: PushOptions | undefined;
  /** The agent's own. */
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  logger: Logger;
}

const defaultMaxBytes = 16 * 1024 * 1024;

/**
 * Opens the log that the job asks for (spec CI 5.1, 7): `pull`, a FileLog; `push`, a PushedLog. Throws UserError when there is no such kind, a
 * push log has no URL or nobody who could push it, or its files cannot be made.
 */
export async function openJobLog(options: OpenJobLogOptions): Promise<FileLog | PushedLog> {
  const { request, push } = options;
  const { method, url } = request.logger;
  if (method !== 'pull' && method !== 'push') throw new UserError(`unknown logger type: ${method}`);
  if (method === 'pull') return await openFileLog(options);
  if (url === '') throw new UserError('the job wants its log pushed, and does not say where to');
  if (!push) throw new UserError('the job wants its log pushed, which only agents that are self-hosted do');
  return await openPushedLog(options, push);
}

async function openFileLog(options: OpenJobLogOptions): Promise<FileLog> {
  const { request, logger } = options;
  const { maxSizeInBytes } = request.logger;
  const { directory, spool, record } = await makeFiles(options);
  const maxBytes = maxSizeInBytes > 0 ? maxSizeInBytes : defaultMaxBytes;
  const never = new AbortController().signal;
  return new FileLog({
    spool,
    directory,
    maxBytes,
    upload: (trimmed) => upload({ ...options, record, spool, directory, trimmed, signal: never }),
    logger,
  });
}

async function openPushedLog(options: OpenJobLogOptions, push: PushOptions): Promise<PushedLog> {
  const { request, sealToken, clock, logger } = options;
  const { directory, spool, record } = await makeFiles(options);
  const { url, token } = request.logger;
  const target = { url, token, userAgent: push.userAgent };
  return new PushedLog({
    jobId: request.jobId,
    spool,
    directory,
    acknowledged: new AcknowledgedFile(directory.acknowledgedFile),
    from: start,
    transport: push.transport,
    target,
    refresh: push.refresh,
    onToken: async (renewed) => {
      try {
        await directory.writeRecord({ ...record, push: { ...target, token: renewed } }, sealToken);
      } catch (error: unknown) {
        // The push goes on with it all the same.
        logger.warn('The new token of the job log cannot be kept', { error: messageOf(error) });
      }
    },
    patienceMs: push.patienceMs,
    upload: (trimmed) => upload({ ...options, record, spool, directory, trimmed, signal: push.abandon }),
    signal: push.abandon,
    clock,
    logger,
  });
}

interface LogFiles {
  directory: LogDirectory;
  spool: Spool;
  record: DeliveryRecord;
}

async function makeFiles(options: OpenJobLogOptions): Promise<LogFiles> {
  const { request, state, sealToken, push, clock, logger } = options;
  const { method, url, token } = request.logger;
  const record = {
    jobId: request.jobId,
    push: method === 'push' && push ? { url, token, userAgent: push.userAgent } : undefined,
    upload: { policy: options.upload, access: artifactAccessOf(request.variables) },
  };
  let directory: LogDirectory | undefined;
  let spool: Spool | undefined;
  try {
    directory = await LogDirectory.create(state, request.jobId);
    spool = Spool.create({ path: directory.eventsFile, clock, logger });
    // Last: what has a record is whole.
    await directory.writeRecord(record, sealToken);
    return { directory, spool, record };
  } catch (error: unknown) {
    // The first error is the one to tell.
    spool?.close();
    await directory?.remove().catch(() => undefined);
    if (error instanceof UserError) throw error;
    throw new UserError(`the log of the job cannot be opened: ${messageOf(error)}`, {
      hint: storageHint(error),
      cause: error,
    });
  }
}

export interface RecordedUpload {
  record: DeliveryRecord;
  spool: Spool;
  directory: LogDirectory;
  trimmed: boolean;
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
  clock: Clock;
  logger: Logger;
}

/** Uploads a log by the policy that its record names. */
export function upload({
  record,
  spool,
  directory,
  trimmed,
  env,
  signal,
  clock,
  logger,
}: RecordedUpload): Promise<boolean> {
  return uploadLog({
    spool,
    jobId: record.jobId,
    textFile: directory.textFile,
    ...record.upload,
    trimmed,
    env,
    signal,
    clock,
    logger,
  });
}
