export { runTask, type RunTaskInput } from './run-task.ts';
export type { Commit, Decision, OpenPlace, Phase, Step, TaskHost, TaskOutcome, TaskPlace } from './types.ts';
