export { type CallbackOptions, createCallbacks } from './callbacks.ts';
export { serveAgent, type ServeAgentOptions } from './serve-agent.ts';
