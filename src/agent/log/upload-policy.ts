import { UserError } from '../../lib/index.ts';
import type { EncodedVariable } from '../../protocol/ci/index.ts';
import type { JobMode } from '../types.ts';

const policies = ['never', 'always', 'when-trimmed'] as const;

/** When a job's log is uploaded as an artifact (spec CI 7.6). `if-possible`: always, and nobody minds when that cannot be. */
export type UploadPolicy = (typeof policies)[number] | 'if-possible';

/** What the `artifact` tool needs of the job. */
export interface ArtifactAccess {
  token: string;
  organizationUrl: string;
}

export interface UploadPolicySource {
  mode: JobMode;
  /** `upload-job-logs` of an agent that is self-hosted. */
  option?: string | undefined;
  variables: readonly EncodedVariable[];
}

/**
 * The policy for one job: self-hosted, the agent's option; hosted, the job's own variable `SEMAPHORE_AGENT_UPLOAD_JOB_LOGS`, where any
 * other word means never; `run` uploads whatever it can. Throws UserError for another word in the option.
 */
export function uploadPolicyOf({ mode, option = 'never', variables }: UploadPolicySource): UploadPolicy {
  if (mode === 'run') return 'if-possible';
  const word = mode === 'hosted' ? variableOf(variables, 'SEMAPHORE_AGENT_UPLOAD_JOB_LOGS') : option;
  const policy = policies.find((each) => each === word);
  if (policy === undefined && mode === 'self-hosted') {
    throw new UserError(`upload-job-logs is ${option}`, { hint: `It is one of ${policies.join(', ')}.` });
  }
  return policy ?? 'never';
}

/** Undefined when the job does not say where to and with which token. */
export function artifactAccessOf(variables: readonly EncodedVariable[]): ArtifactAccess | undefined {
  const token = variableOf(variables, 'SEMAPHORE_ARTIFACT_TOKEN');
  const organizationUrl = variableOf(variables, 'SEMAPHORE_ORGANIZATION_URL');
  return token === undefined || organizationUrl === undefined ? undefined : { token, organizationUrl };
}

export function isUploadWanted(policy: UploadPolicy, trimmed: boolean): boolean {
  return policy === 'when-trimmed' ? trimmed : policy !== 'never';
}

/** The value that the job itself sees: of variables with the same name the last one counts. */
function variableOf(variables: readonly EncodedVariable[], name: string): string | undefined {
  const value = variables.findLast((variable) => variable.name === name)?.value;
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
}
