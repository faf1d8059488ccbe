import { agentStates } from '../../../protocol/ci/index.ts';
import type { HubAgent, Incoming } from './types.ts';

type Kind = 'string' | 'number' | 'boolean';

/** Keys of the bodies, in the order in which the reference writes them (spec CI 2.2, 2.3). */
const registrationKeys: Readonly<Record<string, Kind>> = {
  name: 'string',
  version: 'string',
  pid: 'number',
  os: 'string',
  arch: 'string',
  hostname: 'string',
  single_job: 'boolean',
  idle_timeout: 'number',
  interruption_grace_period: 'number',
  job_id: 'string',
};
const syncKeys: Readonly<Record<string, Kind>> = {
  state: 'string',
  job_id: 'string',
  job_result: 'string',
  interrupted_at: 'number',
};

/** A JSON object; undefined when the text is none. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with the headers of a request; `scheme` is that of `Authorization`. */
export function checkHeaders({ headers, method, body }: Incoming, scheme: 'Token' | 'Bearer'): string[] {
  const problems: string[] = [];
  // A token may be empty; what carries it then ends with the word.
  if (!new RegExp(`^${scheme}( \\S+)?$`).test(headers.authorization ?? '')) {
    problems.push(`Authorization must be "${scheme} <token>"`);
  }
  if (!/^SemaphoreAgent\/\S+$/.test(headers['user-agent'] ?? '')) {
    problems.push('User-Agent must be SemaphoreAgent/<version>');
  }
  const type = scheme === 'Bearer' ? 'text/plain' : undefined;
  if (headers['content-type'] !== type) problems.push(`Content-Type must be ${type ?? 'absent'}`);
  if (method === 'POST' && headers['content-length'] !== String(Buffer.byteLength(body))) {
    problems.push('Content-Length must be that of the body');
  }
  return problems;
}

export function checkRegistration(body: Readonly<Record<string, unknown>>, userAgent: string): string[] {
  const problems = checkKeys(body, registrationKeys);
  if (userAgent !== `SemaphoreAgent/${String(body['version'])}`) problems.push('User-Agent and version must agree');
  const arch = body['arch'];
  if (arch === 'x64' || arch === 'ia32') problems.push(`arch must not be ${arch}`);
  return problems;
}

/** What is wrong with a sync, as such and as the next one of this agent. */
export function checkSync(body: Readonly<Record<string, unknown>>, agent: HubAgent): string[] {
  const problems = checkKeys(body, syncKeys);
  const { state, job_id: jobId, job_result: result, interrupted_at: interruptedAt } = body;
  if (!agentStates.some((name) => name === state)) problems.push(`there is no state ${String(state)}`);
  if ((jobId === '') !== (state === 'waiting-for-jobs'))
    problems.push(`${String(state)} with job_id "${String(jobId)}"`);
  const finished = result === 'passed' || result === 'failed' || result === 'stopped';
  if (state === 'finished-job' ? !finished : result !== '') {
    problems.push(`${String(state)} with job_result "${String(result)}"`);
  }
  if (agent.interruptedAt !== 0 && agent.interruptedAt !== interruptedAt) problems.push('interrupted_at has changed');
  return problems;
}

function checkKeys(body: Readonly<Record<string, unknown>>, keys: Readonly<Record<string, Kind>>): string[] {
  const found = Object.keys(body).join(', ');
  const wanted = Object.keys(keys).join(', ');
  if (found !== wanted) return [`the keys are ${found}; they must be ${wanted}`];
  return Object.entries(keys).flatMap(([key, kind]) => {
    const value = body[key];
    if (typeof value !== kind) return [`${key} must be a ${kind}`];
    return kind === 'number' && (!Number.isInteger(value) || Number(value) < 0) ? [`${key} must be an integer`] : [];
  });
}
