import { messageOf } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { JobLog } from '../types.ts';
import type { AcknowledgedFile } from './acknowledged-file.ts';
import type { LogDirectory } from './log-directory.ts';
import { type Delivery, LogPusher, type LogPusherOptions } from './log-pusher.ts';
import type { Spool } from './spool.ts';
import type { Cursor } from './whole-lines.ts';

export interface PushedLogOptions extends Omit<LogPusherOptions, 'spool' | 'onAcknowledged'> {
  jobId: string;
  spool: Spool;
  directory: LogDirectory;
  acknowledged: AcknowledgedFile;
  upload: (trimmed: boolean) => Promise<boolean>;
  logger: Logger;
}

/** What became of a log in the end. */
export type Settled =
  /** The server has it, or all of it that it wanted. */
  | 'done'
  /** The next agent delivers the rest. */
  | 'left'
  /** Lines are not where they belong, and never will be. */
  | 'lost';

/** A log whose lines are pushed to the server while they are written (spec CI 7.4): `start`. Also one that another agent has written. */
export class PushedLog implements JobLog {
  readonly #options: PushedLogOptions;
  readonly #pusher: LogPusher;
  #isAcknowledgedFileBroken = false;

  /** Pushing begins at once. */
  constructor(options: PushedLogOptions) {
    this.#options = options;
    this.#pusher = new LogPusher({ ...options, onAcknowledged: (cursor) => this.#remember(cursor) });
  }

  write(line: string): void {
    this.#options.logger.debug('Job log', { event: line });
    this.#options.spool.append(line);
    this.#pusher.onLine();
  }

  async close({ onClosed }: { onClosed?: (trimmed: boolean) => Promise<void> } = {}): Promise<void> {
    await this.settle(onClosed);
  }

  /**
   * Delivers what is left, for as long as the server lets us; uploads; tells `onClosed` whether lines are missing; removes the files. What can be
   * delivered later stays. `lost`: neither delivered nor uploaded; the lines were set aside.
   */
  async settle(onClosed?: (trimmed: boolean) => Promise<void>): Promise<Settled> {
    const { jobId, spool, directory, acknowledged, upload, logger } = this.#options;
    const delivery = await this.#pusher.finish();
    const trimmed = delivery.kind !== 'delivered' || this.#pusher.hasShortened || spool.hasLost;
    const isUploaded = await upload(trimmed);
    try {
      await onClosed?.(trimmed);
    } catch (error: unknown) {
      logger.error('What follows the end of the job log has failed', { job: jobId, error: messageOf(error) });
    }
    spool.close();
    acknowledged.close();
    if (delivery.kind !== 'undelivered' || (delivery.isFinal && isUploaded)) {
      if (delivery.kind === 'undelivered') this.#tellLoss(delivery, 'the whole log was uploaded as an artifact');
      await this.#tidy(() => directory.remove());
      return 'done';
    }
    if (!delivery.isFinal) {
      this.#tellLoss(delivery, `the next agent with this state directory delivers them: ${directory.path}`);
      await directory.leave();
      return 'left';
    }
    await this.#tidy(async () => {
      const file = await directory.setAside(jobId);
      this.#tellLoss(delivery, `the whole log is kept for some days: ${file}`);
    });
    return 'lost';
  }

  #tellLoss({ why }: Extract<Delivery, { kind: 'undelivered' }>, whatNow: string): void {
    const { jobId, spool, logger } = this.#options;
    const { line } = this.#pusher.acknowledged;
    const lines = `${line} to ${spool.end.line - 1}`;
    logger.error('Lines of the job log were not delivered', { job: jobId, lines, why, what_now: whatNow });
  }

  async #tidy(work: () => Promise<void>): Promise<void> {
    const { directory, logger } = this.#options;
    try {
      await work();
    } catch (error: unknown) {
      logger.warn('The files of the job log cannot be removed', { path: directory.path, error: messageOf(error) });
    }
  }

  #remember(cursor: Cursor): void {
    const { acknowledged, logger } = this.#options;
    try {
      acknowledged.write(cursor);
    } catch (error: unknown) {
      if (!this.#isAcknowledgedFileBroken) {
        logger.warn('How much of the job log is delivered cannot be noted', { error: messageOf(error) });
      }
      this.#isAcknowledgedFileBroken = true;
    }
  }
}
