import { messageOf } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { JobLog } from '../types.ts';
import type { LogDirectory } from './log-directory.ts';
import type { Spool } from './spool.ts';

export interface FileLogOptions {
  spool: Spool;
  directory: LogDirectory;
  /** From this size on a log counts as trimmed (spec CI 7.2). */
  maxBytes: number;
  upload: (trimmed: boolean) => Promise<boolean>;
  logger: Logger;
}

/** A log that whoever wants it fetches (spec CI 7.2): `serve` and `run`. */
export class FileLog implements JobLog {
  readonly #options: FileLogOptions;

  constructor(options: FileLogOptions) {
    this.#options = options;
  }

  /** So many lines are there. */
  get lines(): number {
    return this.#options.spool.end.line;
  }

  write(line: string): void {
    this.#options.logger.debug('Job log', { event: line });
    this.#options.spool.append(line);
  }

  /**
   * The lines from line `startLine` (from 0) to the present end, as they are, in pieces of any length. Throws the system error once the log is
   * closed and its file removed; a reading that has begun goes on to its end.
   */
  read(startLine = 0): Generator<Buffer> {
    return this.#options.spool.read(startLine);
  }

  /** `onClosed` is told whether the log is as long as it may be, or longer, or lines are missing. */
  async close({ onClosed }: { onClosed?: (trimmed: boolean) => Promise<void> }): Promise<void> {
    const { spool, directory, maxBytes, upload, logger } = this.#options;
    spool.flush();
    const trimmed = spool.end.offset >= maxBytes || spool.hasLost;
    await upload(trimmed);
    try {
      await onClosed?.(trimmed);
    } catch (error: unknown) {
      logger.error('What follows the end of the job log has failed', { error: messageOf(error) });
    }
    spool.close();
    try {
      await directory.remove();
    } catch (error: unknown) {
      logger.warn('The files of the job log cannot be removed', { path: directory.path, error: messageOf(error) });
    }
  }
}
