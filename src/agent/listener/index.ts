export { guardAgainstCrash } from './crash-guard.ts';
export { describeArch, describeOs } from './machine.ts';
export { runListener } from './run-listener.ts';
export { type InterruptionListener, listenForInterruption } from './signals.ts';
export type { ShutdownReason } from './state.ts';
export type { AgentApi, AgentSignals, JobControl, ListenerOptions, ShutdownHookOptions, StartJob } from './types.ts';
