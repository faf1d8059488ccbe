export { decide, type SyncDecision, type SyncFacts } from './decide.ts';
export { type LogEvent, parseEvent, renderEvents } from './render.ts';
export { startHub } from './start-hub.ts';
export type {
  Exchange,
  Hub,
  HubAgent,
  HubEvent,
  HubJob,
  HubOptions,
  HubReply,
  HubState,
  Incoming,
  Interceptor,
  Violation,
} from './types.ts';
