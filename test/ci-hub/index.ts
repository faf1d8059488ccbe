/** The conformance hub: the server side of spec CI 2 and 7, strict, over real sockets. Import from here. */
export { FastClock } from './fast-clock.ts';
export { drop, type Fault, type FaultOrder, type FaultRule, half, html, late, silence, status } from './faults.ts';
export { type HeldJob, heldJob } from './held-job.ts';
export { type LenientHub, startLenientHub } from './lenient-hub.ts';
export {
  memoryLogger,
  registration,
  startTestAgent,
  type TestAgent,
  type TestAgentOptions,
  until,
} from './test-agent.ts';
export { startTestHub, type TestHub, type TestHubOptions } from './test-hub.ts';
