import type { HttpTransport } from '../../http/index.ts';
import { type Clock, messageOf } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { createEventWriter } from '../events.ts';
import { AcknowledgedFile } from './acknowledged-file.ts';
import { LogDirectory, removeOldAside } from './log-directory.ts';
import { upload } from './open-job-log.ts';
import { PushedLog } from './pushed-log.ts';
import { Spool } from './spool.ts';

export interface LeftoversOptions {
  state: string;
  sealToken: string;
  transport: HttpTransport;
  env: Readonly<Record<string, string | undefined>>;
  /** Ends the delivery; what is left stays for the next agent. */
  signal: AbortSignal;
  /** How long logs that nobody takes any more are kept, days. @default 7 */
  keepDays?: number | undefined;
  patienceMs?: number | undefined;
  clock: Clock;
  logger: Logger;
}

/** After this the token of a log is not valid any more, whoever has it. */
const foreignMs = 2 * 60 * 60_000;
const dayMs = 24 * 60 * 60_000;
const cutShort = '\n[The agent ended while this job was running: the log ends here.]\n';

/**
 * Delivers what agents that are gone have left of their logs in this state directory, one after the other (spec CI 10.1 item 19). Only the token that the
 * log had can be used, because a new one is given to no other agent; it is valid for up to an hour. A log that the server does not take any
 * more is uploaded as an artifact if its agent was to do that, else set aside in `undelivered` and named in the agent's log. Never rejects.
 */
export async function deliverLeftovers(options: LeftoversOptions): Promise<void> {
  const { state, keepDays = 7, clock, logger, signal } = options;
  try {
    for await (const directory of LogDirectory.leftovers(state)) {
      if (signal.aborted) return await directory.leave();
      await deliver(directory, options).catch(async (error: unknown) => {
        logger.error('A job log that was left behind cannot be read', {
          path: directory.path,
          error: messageOf(error),
        });
        await directory.leave();
      });
    }
    for (const file of await removeOldAside(state, keepDays * dayMs, clock.now())) {
      logger.info('A job log that was never delivered was removed', { file, days: keepDays });
    }
  } catch (error: unknown) {
    logger.error('Job logs that were left behind cannot be looked for', { state, error: messageOf(error) });
  }
}

async function deliver(directory: LogDirectory, options: LeftoversOptions): Promise<void> {
  const { sealToken, keepDays = 7, clock, logger } = options;
  const record = await directory.readRecord(sealToken);
  const unusedMs = clock.now() - (await directory.lastUsedMs());
  // Another agent of this user, which will be back.
  if (!record && unusedMs < foreignMs) return await directory.leave();
  if (!record?.push || unusedMs > keepDays * dayMs) {
    const file = await directory.setAside(record?.jobId ?? 'job');
    const why = !record ? 'its agent had another token' : record.push ? 'it is too old' : 'its job was not self-hosted';
    logger.error('A job log that was left behind cannot be delivered', { file, why, days_kept: keepDays });
    return;
  }
  const { jobId, push: target } = record;
  const acknowledged = new AcknowledgedFile(directory.acknowledgedFile);
  const from = acknowledged.read();
  const spool = Spool.recover({ path: directory.eventsFile, clock, logger });
  if (from.offset > spool.end.offset) {
    // The machine went down before all of it was on the disk. To send what is left would cut what the server has.
    spool.close();
    acknowledged.close();
    logger.warn('A job log that was left behind is shorter than what the server has of it', { job: jobId });
    await directory.remove();
    return;
  }
  closeLog(spool, clock);
  const log = new PushedLog({
    jobId,
    spool,
    directory,
    acknowledged,
    from,
    transport: options.transport,
    target,
    patienceMs: options.patienceMs,
    upload: (trimmed) => upload({ ...options, record, spool, directory, trimmed }),
    signal: options.signal,
    clock,
    logger,
  });
  const lines = `${from.line} to ${spool.end.line - 1}`;
  if ((await log.settle()) === 'done')
    logger.info('A job log that was left behind is delivered', { job: jobId, lines });
}

/** A log that ends in the middle would look as if its job still ran. */
function closeLog(spool: Spool, clock: Clock): void {
  const { line } = spool.end;
  if (line === 0) return;
  const last = Buffer.concat([...spool.read(line - 1)]).toString('utf8');
  if (last.startsWith('{"event":"job_finished"')) return;
  const events = createEventWriter({ log: { write: (text) => spool.append(text) }, clock });
  events.output(cutShort);
  events.jobFinished('failed');
}
