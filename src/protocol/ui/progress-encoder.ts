import { ByteWriter } from '../../lib/index.ts';
import type { TaskStatus } from './status.ts';

/** What a report says of a job besides its log records. */
export interface JobReport {
  status: TaskStatus;
  commit: { hash: string; message: string } | undefined;
  /** A JSON document as text; sent only together with `success`. */
  outputs: string | undefined;
}

/**
 * The body of a progress PUT (spec 3.6), with the key casing that servers expect, written in place: a report of several
 * megabytes is put together once, in a buffer that serves all reports.
 *
 *     reset ▸ (openJob ▸ records into `writer` ▸ closeJob | dropJob)* ▸ finish
 */
export class ProgressBody {
  readonly writer = new ByteWriter(64 * 1024);
  #jobs = 0;
  #jobStart = 0;

  /** Begins a new body; what `finish` returned before is no longer valid. */
  reset(): void {
    this.writer.truncate(0);
    this.#jobs = 0;
  }

  /** Begins a job; its log records, JSON objects joined by commas, are to be written next. */
  openJob(id: number): void {
    this.#jobStart = this.writer.length;
    this.writer.text(`${this.#jobs === 0 ? '{"Jobs":[' : ','}{"ID":${id},"LogRecords":[`);
  }

  closeJob(report: JobReport): void {
    const { commit, outputs, status } = report;
    const commitText = commit ? JSON.stringify({ hash: commit.hash, message: commit.message }) : 'null';
    const outputsText = outputs === undefined ? '' : `,"outputs":${JSON.stringify(outputs)}`;
    this.writer.text(`],"Status":"${status}","Commit":${commitText}${outputsText}}`);
    this.#jobs += 1;
  }

  /** Takes back the job that was opened last. */
  dropJob(): void {
    this.writer.truncate(this.#jobStart);
  }

  /** The whole body, valid until `reset`; `{"Jobs":null}` when it has no job. */
  finish(): Buffer {
    this.writer.text(this.#jobs === 0 ? '{"Jobs":null}' : ']}');
    return this.writer.bytes();
  }
}
