import type { ProcessResult } from '../../execution/index.ts';
import type { TaskContext } from '../context.ts';
import type { TaskDetails } from '../task-details.ts';
import type { Variables } from '../variables.ts';

/** What an app is given when it runs. */
export interface AppInput {
  context: TaskContext;
  variables: Variables;
  details: TaskDetails;
  /** Environment of the step but for what the app adds (spec 5.6). */
  env: Record<string, string>;
  /** Absolute path of the checkout. */
  directory: string;
  /** Template home and what is noted about it. */
  home: { home: string; internal: string };
}

/** One tool. Throws TaskProblem or TaskStopped when the task cannot go on. */
export interface App {
  /** Checks what can be checked before anything is fetched. */
  check?(context: TaskContext): void;
  /** Inventory, requirements, run. */
  run(input: AppInput): Promise<void>;
}

export type { ProcessResult };
