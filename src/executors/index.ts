export type { JobCommand, JobEvents, JobExecutor } from './job-executor.ts';
export { createLocalHost, type LocalHostOptions } from './local-host.ts';
