import type * as z from 'zod';
import { UserError } from '../../lib/index.ts';
import { parseBody, readModel } from './body.ts';
import { anything, int, model, nullableNested, optionalText, text } from './wire.ts';

const commitSchema = model({ hash: text, message: text });

/** One job of a progress report (spec 3.6), its log records not yet looked at. */
const progressJobSchema = model(
  { id: int, status: text, logRecords: anything, commit: nullableNested(commitSchema), outputs: optionalText },
  { id: 'ID', status: 'Status', logRecords: 'LogRecords', commit: 'Commit' },
);

/** The body of PUT (spec 3.6). */
const progressSchema = model({ jobs: anything }, { jobs: 'Jobs' });

export interface LogRecord {
  /** RFC 3339, up to nanoseconds. */
  time: string;
  /** One line without its newline. */
  message: string;
}

export type ProgressJob = Omit<z.output<typeof progressJobSchema>, 'logRecords'> & {
  /** As sent: a status that nobody knows is for the server to refuse. */
  status: string;
  logRecords: LogRecord[];
};

export interface Progress {
  /** Null when the runner has nothing to report. */
  jobs: ProgressJob[] | null;
}

/**
 * Reads the body of a progress PUT (spec 3.6). Throws UserError when any part is malformed, as servers refuse the whole then.
 *
 * Log records are the one thing here that comes by the ten thousand, several times a second, so they have a hand-written check
 * instead of a zod schema: an object of two strings whose `time` is RFC 3339, kept as parsed. Anything else takes the slow way,
 * with the same tolerance as everywhere.
 */
export function decodeProgress(body: string | Buffer): Progress {
  const { jobs } = readModel(progressSchema, parseBody(body), 'body');
  if (jobs === undefined) return { jobs: null };
  if (!Array.isArray(jobs)) throw new UserError('Invalid format: Jobs: expected an array');
  return { jobs: jobs.map((job: unknown, index) => readJob(job, `Jobs[${index}]`)) };
}

function readJob(wire: unknown, at: string): ProgressJob {
  const { logRecords: records = [], ...job } = readModel(progressJobSchema, wire, at);
  if (!Array.isArray(records)) throw new UserError(`Invalid format: ${at}.LogRecords: expected an array`);
  const logRecords: LogRecord[] = records.every(isLogRecord)
    ? records
    : records.map((record: unknown, index) => readLogRecord(record, `${at}.LogRecords[${index}]`));
  return { ...job, logRecords };
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

function isLogRecord(record: unknown): record is LogRecord {
  return (
    typeof record === 'object' &&
    record !== null &&
    'time' in record &&
    'message' in record &&
    typeof record.message === 'string' &&
    typeof record.time === 'string' &&
    rfc3339.test(record.time)
  );
}

/** What a missing time means to the servers. */
const zeroTime = '0001-01-01T00:00:00Z';

/** A log record with unusual casing, or nothing in it. */
const logRecordSchema = model({ time: optionalText, message: text });

function readLogRecord(wire: unknown, at: string): LogRecord {
  if (isLogRecord(wire)) return wire;
  const { time = zeroTime, message } = readModel(logRecordSchema, wire ?? {}, at);
  if (!rfc3339.test(time)) throw new UserError(`Invalid format: ${at}.time: expected RFC 3339`);
  return { time, message };
}
