export { checkIdentity } from './owner.ts';
export { runTask, type RunTaskInput } from './run-task.ts';
export type { Commit, Decision, Phase, Step, TaskHost, TaskOutcome } from './types.ts';
