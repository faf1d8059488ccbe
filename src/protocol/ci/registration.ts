import type * as z from 'zod';
import { object, text } from './lenient.ts';

/** What an agent registers with (spec CI 2.2). */
export interface AgentRegistration {
  /** Or a pre-signed URL that proves who this machine is. */
  name: string;
  pid: number;
  /** As `describeOs` gives it. */
  os: string;
  /** As `describeArch` gives it. */
  arch: string;
  hostname: string;
  singleJob: boolean;
  /** Seconds without a job after which the server may end the agent; 0 for never. */
  idleTimeout: number;
  /** Seconds that a running job may go on after the agent was interrupted. */
  interruptionGracePeriod: number;
  /** The only job this agent is for, or "". */
  jobId: string;
}

/** Both are taken as they are: some servers give neither a name nor a token, and are content with that. */
export const registrationAnswerSchema = object({ name: text, token: text });
export type RegistrationAnswer = z.output<typeof registrationAnswerSchema>;

/** The body of a registration; all keys, in the order that servers see from the original. */
export function encodeRegistration(version: string, registration: AgentRegistration): string {
  return JSON.stringify({
    name: registration.name,
    version,
    pid: registration.pid,
    os: registration.os,
    arch: registration.arch,
    hostname: registration.hostname,
    single_job: registration.singleJob,
    idle_timeout: registration.idleTimeout,
    interruption_grace_period: registration.interruptionGracePeriod,
    job_id: registration.jobId,
  });
}
