export { HostExecutor, type HostExecutorOptions, type RemoteAccess } from './host-executor.ts';
export { decodeBase64 } from './host-executor/base64.ts';
export { quoteWord } from './host-executor/quote-word.ts';
export type { JobCommand, JobEvents, JobExecutor } from './job-executor.ts';
export { createLocalHost, type LocalHostOptions } from './local-host.ts';
