export { type CallbackOptions, createCallbacks } from './callbacks.ts';
export { serveAgent } from './serve-agent.ts';
export type { BuildHostedJob, HostedJob, HostedJobControl, ServeOptions, TlsOptions } from './types.ts';
