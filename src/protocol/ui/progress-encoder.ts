import type { TaskStatus } from './status.ts';

/** One job of a progress report, with its log records already in wire form. */
export interface JobReport {
  id: number;
  status: TaskStatus;
  /** JSON objects `{"time","message"}` joined by commas; empty for none. */
  records: string;
  commit: { hash: string; message: string } | undefined;
  /** A JSON document as text; sent only together with `success`. */
  outputs: string | undefined;
}

/**
 * The body of a progress PUT (spec 3.6), with the key casing that servers expect. Put together from strings because log
 * records arrive encoded: a report of several megabytes is not taken apart and built again.
 */
export function encodeProgress(jobs: readonly JobReport[]): string {
  if (jobs.length === 0) return '{"Jobs":null}';
  return `{"Jobs":[${jobs.map(encodeJob).join(',')}]}`;
}

function encodeJob(job: JobReport): string {
  const commit = job.commit ? JSON.stringify({ hash: job.commit.hash, message: job.commit.message }) : 'null';
  const outputs = job.outputs === undefined ? '' : `,"outputs":${JSON.stringify(job.outputs)}`;
  return `{"ID":${job.id},"Status":"${job.status}","LogRecords":[${job.records}],"Commit":${commit}${outputs}}`;
}
