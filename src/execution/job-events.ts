import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessResult, StopLadder } from './types.ts';

/** What was done inside the work for a recorded value, and so is not done again: runs by key, and lines of ours. */
export interface DoneInside {
  turns: readonly (readonly [string, number])[];
  lines: number;
}

/** What happens to a job, in order: enough for another process to go on where this one was. */
export type JobEvent =
  /** `machine` is the life of the machine (see `machineLife`); `key` what the job's files are sealed with, itself sealed. */
  | { type: 'created'; tag: string; at: number; machine: string; key: string }
  /** The task runs in containers, which have this name on their engine; without this event it runs on this machine. */
  | { type: 'executor'; kind: 'docker' | 'k8s'; containers: string }
  /** The same key, sealed with another token. */
  | { type: 'resealed'; key: string }
  /** Before the process is started: it may be there although nobody noted its pid. */
  | { type: 'step-starting'; key: string; index: number; stop: StopLadder }
  | { type: 'step-started'; key: string; index: number; pid: number; startTime: string | undefined }
  | { type: 'step-ended'; key: string; index: number; result: ProcessResult }
  /** The value of something that is done once, sealed; JSON inside. */
  | { type: 'once'; key: string; sealed: string; inside: DoneInside | undefined }
  /**
   * Of a step whose output others write: `bytes` of it are in the log by now. What follows in the log is more of it when it is
   * `live`, else lines of our own.
   */
  | { type: 'copied'; index: number; bytes: number; live: boolean }
  | { type: 'status'; status: string }
  | { type: 'commit'; hash: string; message: string }
  | { type: 'outputs'; document: string }
  /** What is in the log before this is not sent; what is behind it are lines of ours only. */
  | { type: 'withheld' };

/** An event as it was recorded: with the size of the log, and the number of lines of our own in it, at that moment. */
export type RecordedEvent = JobEvent & { logSize: number; lines: number };

export const eventsName = 'steps.jsonl';

/** The events of the job in `directory`; none when there is no record. */
export function readEvents(directory: string): RecordedEvent[] {
  let text: string;
  try {
    text = readFileSync(join(directory, eventsName), 'utf8');
  } catch {
    return [];
  }
  const lines = text.split('\n');
  // The last piece is empty, or a line that a crash cut short.
  lines.pop();
  return lines.flatMap((line) => {
    const event = parseEvent(line);
    return event ? [event] : [];
  });
}

/** Only this program writes the file; what a crash garbled is left out. */
function parseEvent(line: string): RecordedEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecordedEvent(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const eventTypes: ReadonlySet<unknown> = new Set<JobEvent['type']>([
  'created',
  'executor',
  'resealed',
  'step-starting',
  'step-started',
  'step-ended',
  'once',
  'copied',
  'status',
  'commit',
  'outputs',
  'withheld',
]);

function isRecordedEvent(value: unknown): value is RecordedEvent {
  return typeof value === 'object' && value !== null && 'type' in value && eventTypes.has(value.type);
}
