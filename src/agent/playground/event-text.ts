import { assertNever } from '../../lib/index.ts';
import type { HubEvent } from './hub/index.ts';

const states = {
  'waiting-for-jobs': 'waits for jobs',
  'starting-job': 'fetches the job',
  'running-job': 'runs the job',
  'stopping-job': 'stops the job',
  'finished-job': 'has finished the job',
} as const;

/** What has happened between hub and agent, in a line; undefined for what the view of the job shows. */
export function eventText(event: Exclude<HubEvent, { kind: 'log' }>): string | undefined {
  switch (event.kind) {
    case 'registered':
      return `register    ${event.agent} is registered`;
    case 'assigned':
      return `sync        the hub gives job ${event.jobId} to ${event.agent}`;
    case 'state':
      return `sync        ${event.agent} ${states[event.state]}`;
    case 'finished':
      return `sync        job ${event.jobId} is finished: ${event.result}`;
    case 'shutdown':
      return `sync        the hub ends ${event.agent}: ${event.reason}`;
    case 'gone':
      return `disconnect  ${event.agent} is ${event.why === 'disconnected' ? 'gone' : event.why}`;
    default:
      return assertNever(event);
  }
}
