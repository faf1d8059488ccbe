export { HostExecutor, type HostExecutorOptions, type RemoteAccess } from './host-executor.ts';
export { decodeBase64 } from './host-executor/base64.ts';
export { quoteWord } from './host-executor/quote-word.ts';
export type { JobCommand, JobEvents, JobExecutor } from './job-executor.ts';
export { createLocalHost, type LocalHostOptions } from './local-host.ts';
export { createLocalPlace, type LocalPlaceOptions } from './local-place.ts';
export { checkIdentity } from './local-place/identity.ts';
export type { ContainerEngine, TaskContainers } from './containers/engine.ts';
export { createDockerEngine, type DockerEngineOptions } from './docker-engine.ts';
