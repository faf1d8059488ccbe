export { userAgentOf } from './call.ts';
export { type Callback, finishedBody, postCallback } from './callback.ts';
export { CiAgentClient, type CiAgentClientOptions } from './client.ts';
export {
  type Command,
  type EncodedVariable,
  type JobFile,
  type JobRequest,
  readJobRequest,
  type ReadJobRequestOptions,
} from './job-request.ts';
export { type LogPush, maxLogLines, pushLog } from './push-log.ts';
export { type AgentRegistration, type RegistrationAnswer } from './registration.ts';
export { agentStates, type AgentStateName, type JobResult, type SyncAnswer, type SyncReport } from './sync.ts';
export { fromYamlSpelling } from './yaml-spelling.ts';
