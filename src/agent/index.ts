export { createEventWriter, type EventWriterOptions, type JobEventWriter } from './events.ts';
export { createJob, type CreateJobOptions, type RunnableJob } from './job/create-job.ts';
export { jobSecrets } from './job/job-secrets.ts';
export { runJob } from './job/run-job.ts';
export type { HostVariable, JobHooks, JobLog, JobMode, JobTeardown, RunJobOptions } from './types.ts';
