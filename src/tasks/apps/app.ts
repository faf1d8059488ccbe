import type { TaskContext } from '../context.ts';
import type { TaskOutputs } from '../outputs/index.ts';
import type { TaskDetails } from '../task-details.ts';
import type { Variables } from '../variables.ts';

/** What an app is given when it runs. */
export interface AppInput {
  context: TaskContext;
  variables: Variables;
  details: TaskDetails;
  /** What the task brings to the environment, over the context's `baseEnv` and what the app adds (spec 5.6, item 5). */
  taskEnv: Readonly<Record<string, string>>;
  /** Absolute path of the checkout. */
  directory: string;
  /** Template home and what is noted about it. */
  home: { home: string; internal: string };
  /** Where the outputs of a workflow task go; undefined for any other task. */
  outputs: TaskOutputs | undefined;
}

/** One tool. Throws TaskProblem or TaskStopped when the task cannot go on. */
export interface App {
  /** Checks what can be checked before anything is fetched. */
  check?(context: TaskContext): void;
  /** Inventory, requirements, run. */
  run(input: AppInput): Promise<void>;
}
