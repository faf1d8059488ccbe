export { createEventWriter, type EventWriterOptions, type JobEventWriter } from './events.ts';
export type { HostVariable, JobHooks, JobLog, JobMode, JobTeardown, RunJobOptions } from './types.ts';
