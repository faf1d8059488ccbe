import type { Seal } from '../execution/index.ts';
import type { Clock } from '../lib/index.ts';
import type { AccessKey, JobData } from '../protocol/ui/index.ts';
import type { OpenPlace, TaskHost, TaskOutcome } from '../tasks/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { Executors } from './executors/index.ts';

/** What a job needs from the runner that holds it. */
export interface JobContext {
  /** Directory of all job directories. */
  jobsRoot: string;
  seal: Seal;
  clock: Clock;
  logger: Logger;
  maxLineBytes: number;
  masking: { enabled: boolean; minLength: number };
  /** Secrets of the runner itself, masked in every log. */
  ownSecrets: readonly string[];
  /** Where tasks run. */
  executors: Executors;
  /** When a task is ended for want of time, or of output; undefined for never. Milliseconds. */
  timeOuts: { taskTimeoutMs: number | undefined; noOutputTimeoutMs: number | undefined };
  /** There is something to report; `urgent` when somebody waits for it. */
  onNews: (urgent: boolean) => void;
  execute: (
    job: JobData,
    keys: ReadonlyMap<number, AccessKey>,
    host: TaskHost,
    openPlace: OpenPlace,
  ) => Promise<TaskOutcome>;
}
