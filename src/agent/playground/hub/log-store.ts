import { maxLogLines } from '../../../protocol/ci/index.ts';
import { parseEvent } from './render.ts';
import type { HubJob } from './types.ts';

export interface LogAppend {
  /** Of the query, as it came. */
  startFrom: string | null;
  body: string;
  /** Of the whole log. */
  maxBytes: number;
  nowMs: number;
}

export interface LogOutcome {
  status: 200 | 400 | 413 | 422;
  /** What is new to the hub. */
  added: string[];
  /** What the agent did against the protocol. */
  violations: string[];
  /** To be called when the agent has got the answer. */
  delivered: () => void;
}

/**
 * Appends lines to the log of a job as the server does (spec CI 7.4): the log is cut to `start_from` lines first, so that lines that are
 * sent twice are there once.
 */
export function appendLog(job: HubJob, { startFrom, body, maxBytes, nowMs }: LogAppend): LogOutcome {
  const from = /^\d{1,9}$/.test(startFrom ?? '') ? Number(startFrom) : undefined;
  if (from === undefined) return refused(400, ['start_from is missing or no number']);
  if (job.trimmed) {
    return trimmed(job, job.trimTold ? ['a log that is trimmed gets no more lines'] : []);
  }
  const lines = body.endsWith('\n') ? body.slice(0, -1).split('\n') : body.split('\n');
  const violations = [...problemsOf(lines, body), ...discontinuities(job, from, lines)];
  if (lines.length > maxLogLines) return refused(413, [`${lines.length} lines in one request`]);
  if (job.bytes + Buffer.byteLength(body) > maxBytes) {
    job.trimmed = true;
    const notice = `\nThe log is longer than ${Math.round(maxBytes / 1024 / 1024)} MB, and was trimmed.\n`;
    const line = JSON.stringify({ event: 'cmd_output', timestamp: Math.floor(nowMs / 1000), output: notice });
    job.lines.push(line);
    return { ...trimmed(job, violations), added: [line] };
  }
  const known = job.lines.length;
  job.lines.length = Math.min(known, from);
  job.lines.push(...lines);
  job.bytes = job.lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
  return {
    status: 200,
    added: job.lines.slice(known),
    violations,
    delivered: () => {
      job.acknowledged = Math.max(job.acknowledged, from + lines.length);
    },
  };
}

/** The agent is to stop once it knows. */
function trimmed(job: HubJob, violations: string[]): LogOutcome {
  const delivered = (): void => {
    job.trimTold = true;
  };
  return { ...refused(422, violations), delivered };
}

function refused(status: 400 | 413 | 422, violations: string[]): LogOutcome {
  return { status, added: [], violations, delivered: () => undefined };
}

function problemsOf(lines: readonly string[], body: string): string[] {
  if (body === '') return ['a request without lines'];
  return [
    ...(body.endsWith('\n') ? [] : ['the last line has no newline']),
    ...lines.flatMap((line, index) => (parseEvent(line) ? [] : [`line ${index} of the body is no event`])),
  ];
}

function discontinuities(job: HubJob, from: number, lines: readonly string[]): string[] {
  if (from > job.lines.length) return [`start_from ${from} leaves a gap: the log has ${job.lines.length} lines`];
  if (from < job.acknowledged) {
    return [`start_from ${from} sends lines again: ${job.acknowledged} were acknowledged`];
  }
  const changed = job.lines.slice(from, from + lines.length).findIndex((line, index) => line !== lines[index]);
  return changed === -1 ? [] : [`line ${from + changed} was sent again with another content`];
}
