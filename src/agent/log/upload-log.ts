import { rm } from 'node:fs/promises';
import { which } from '../../execution/index.ts';
import { type Clock, messageOf } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { runTool } from './artifact-tool.ts';
import { compress, compressionThreshold } from './compression.ts';
import { writePlainText } from './plain-text.ts';
import type { Spool } from './spool.ts';
import { type ArtifactAccess, isUploadWanted, type UploadPolicy } from './upload-policy.ts';

export interface UploadOptions {
  spool: Pick<Spool, 'batches'>;
  jobId: string;
  /** For the copy that is uploaded; it and `<textFile>.gz` are replaced and removed. */
  textFile: string;
  policy: UploadPolicy;
  /** Not all of the log is where it belongs. */
  trimmed: boolean;
  access: ArtifactAccess | undefined;
  /** The agent's own. */
  env: Readonly<Record<string, string | undefined>>;
  /** Of each of two attempts. @default 10 minutes */
  timeoutMs?: number | undefined;
  signal: AbortSignal;
  clock: Clock;
  logger: Logger;
}

const attempts = 2;
const pauseMs = 2000;

/**
 * Uploads the log as a text with `artifact push job` (spec CI 7.6), if the policy says so. True when it was uploaded. Whatever goes wrong is
 * told to the agent's log only; no copy is left behind.
 */
export async function uploadLog(options: UploadOptions): Promise<boolean> {
  const { policy, trimmed, access, env, textFile, logger } = options;
  if (!isUploadWanted(policy, trimmed) || options.signal.aborted) return false;
  const tool = which('artifact', env['PATH'] ?? '', process.cwd());
  if (!access || tool.kind === 'missing') {
    const why = access
      ? 'there is no artifact tool in the PATH of the agent'
      : 'the job has no SEMAPHORE_ARTIFACT_TOKEN and SEMAPHORE_ORGANIZATION_URL';
    if (policy === 'if-possible') logger.debug('The job log is not uploaded', { why });
    else logger.error('The job log cannot be uploaded as an artifact', { why });
    return false;
  }
  try {
    await removeCopies(textFile);
    const bytes = await writePlainText(options.spool, textFile);
    const isLarge = bytes >= compressionThreshold(env);
    const file = isLarge ? await compressed(textFile, logger) : textFile;
    return await push(tool.path, file, access, options);
  } catch (error: unknown) {
    logger.error('The job log cannot be uploaded as an artifact', { why: messageOf(error) });
    return false;
  } finally {
    await removeCopies(textFile).catch((error: unknown) =>
      logger.warn('The copy of the job log cannot be removed', { error: messageOf(error) }),
    );
  }
}

async function removeCopies(textFile: string): Promise<void> {
  await rm(textFile, { force: true });
  await rm(`${textFile}.gz`, { force: true });
}

async function compressed(textFile: string, logger: Logger): Promise<string> {
  try {
    return await compress(textFile);
  } catch (error: unknown) {
    logger.warn('The job log cannot be compressed and is uploaded as it is', { error: messageOf(error) });
    return textFile;
  }
}

async function push(tool: string, file: string, access: ArtifactAccess, options: UploadOptions): Promise<boolean> {
  const { jobId, env, timeoutMs = 10 * 60_000, signal, clock, logger } = options;
  const target = file.endsWith('.gz') ? 'agent/job_logs.txt.gz' : 'agent/job_logs.txt';
  const run = {
    path: tool,
    args: ['push', 'job', file, '-d', target],
    env: {
      ...env,
      SEMAPHORE_ARTIFACT_TOKEN: access.token,
      SEMAPHORE_JOB_ID: jobId,
      SEMAPHORE_ORGANIZATION_URL: access.organizationUrl,
    },
    timeoutMs,
    signal,
  };
  for (let attempt = 1; ; attempt += 1) {
    const { outcome, text } = await runTool(run);
    if (outcome === 'success') {
      logger.info('The job log was uploaded as an artifact', { job: jobId, artifact: target });
      return true;
    }
    const said = access.token === '' ? text : text.replaceAll(access.token, '***');
    const fields = { job: jobId, attempt: `${attempt}/${attempts}`, outcome, said };
    if (attempt === attempts || outcome === 'aborted') {
      logger.error('The job log could not be uploaded as an artifact', fields);
      return false;
    }
    logger.warn('The upload of the job log has failed and is tried once more', fields);
    // Rejects only because the agent ends; then the next attempt is not started.
    await clock.sleep(pauseMs, signal).catch(() => undefined);
  }
}
