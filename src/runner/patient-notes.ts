import type { JobDirectory } from '../execution/index.ts';
import { codeOf, messageOf, shortageHint } from '../lib/index.ts';
import type { Logger } from '../telemetry/index.ts';

export interface PatientNotesOptions {
  taskId: number;
  directory: JobDirectory;
  logger: Logger;
}

/**
 * What is noted in a job directory for a later process only. A task and its log go on when the disk takes no notes: what could
 * not be written is tried again, and the trouble is told when it begins and when it is over.
 */
export class PatientNotes {
  readonly #options: PatientNotesOptions;
  readonly #failed = new Map<string, () => void>();
  #error: unknown;
  #told = false;

  constructor(options: PatientNotesOptions) {
    this.#options = options;
  }

  /** Writes the note `name`, instead of an earlier one of that name that could not be written. */
  write(name: string, work: () => void): void {
    this.#attempt(name, work);
    this.#tell();
  }

  /** Tries again what could not be written, lines and events of the job directory included. */
  retry(): void {
    this.#options.directory.flush();
    for (const [name, work] of this.#failed) this.#attempt(name, work);
    this.#tell();
  }

  #attempt(name: string, work: () => void): void {
    try {
      work();
      this.#failed.delete(name);
    } catch (error: unknown) {
      this.#error = error;
      this.#failed.set(name, work);
    }
  }

  #tell(): void {
    const { directory, logger, taskId } = this.#options;
    const trouble = directory.trouble ?? (this.#failed.size > 0 ? this.#error : undefined);
    if ((trouble !== undefined) === this.#told) return;
    this.#told = trouble !== undefined;
    if (trouble === undefined) {
      logger.info('The job directory can be written again', { task_id: taskId });
      return;
    }
    const hint = shortageHint(codeOf(trouble));
    logger.error('Cannot write to the job directory; going on, and trying again', {
      task_id: taskId,
      path: directory.path,
      error: messageOf(trouble),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
