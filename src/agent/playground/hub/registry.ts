import { createHash, randomBytes } from 'node:crypto';
import type { AgentRegistration } from '../../../protocol/ci/index.ts';
import type { HubAgent, HubEvent, HubState } from './types.ts';

/** How long agents may be silent (spec CI 2.11), milliseconds. */
const neverSyncedMs = 60_000;
const idleMs = 3 * 60_000;
const anyMs = 15 * 60_000;
/** A name that never synced may register anew within this time. */
const againMs = 5 * 60_000;

export type Admission = { token: string; agent: HubAgent } | { refused: string };

/** Who is registered: admits agents, knows them by their tokens (of which it keeps only hashes), lets them go. */
export class AgentRegistry {
  readonly #state: HubState;
  readonly #tell: (event: HubEvent) => void;

  constructor(state: HubState, tell: (event: HubEvent) => void) {
    this.#state = state;
    this.#tell = tell;
  }

  register(registration: AgentRegistration, version: string, nowMs: number): Admission {
    const { name, jobId, singleJob } = registration;
    if (jobId !== '' && !singleJob) return { refused: 'a job can only be asked for by an agent for a single job' };
    if (jobId !== '' && !this.#state.jobs.some((job) => job.id === jobId && job.state === 'queued')) {
      return { refused: 'the job is not available' };
    }
    if (name.length > 80 || !/^[a-zA-Z0-9_/+-]+$/.test(name)) return { refused: 'the name is not valid' };
    const { agents } = this.#state;
    const known = agents.findIndex((agent) => agent.name === name);
    const earlier = agents[known];
    if (earlier) {
      const again = earlier.state === undefined && nowMs - earlier.registeredAtMs < againMs;
      if (!again) return { refused: 'the name is in use' };
      agents.splice(known, 1);
    }
    const token = randomBytes(40).toString('hex');
    const agent: HubAgent = {
      name,
      registration,
      version,
      tokenHash: hashOf(token),
      registeredAtMs: nowMs,
      state: undefined,
      jobId: '',
      interruptedAt: 0,
      disabled: false,
      lastSeenMs: nowMs,
      idleSinceMs: nowMs,
      syncs: 0,
    };
    agents.push(agent);
    this.#tell({ kind: 'registered', agent: name });
    return { token, agent };
  }

  byToken(token: string): HubAgent | undefined {
    const hash = hashOf(token);
    return this.#state.agents.find((agent) => agent.tokenHash === hash);
  }

  /** The name of the agent that had this token before it went. */
  formerly(token: string): string | undefined {
    return this.#state.gone.get(hashOf(token));
  }

  /** An agent that goes leaves its job behind, which has then failed. */
  remove(agent: HubAgent, why: Extract<HubEvent, { kind: 'gone' }>['why']): void {
    this.#state.agents = this.#state.agents.filter((other) => other !== agent);
    this.#state.gone.set(agent.tokenHash, agent.name);
    for (const job of this.#state.jobs) {
      if (job.agent !== agent.name || job.state !== 'assigned') continue;
      job.state = 'finished';
      job.result = 'failed';
      this.#tell({ kind: 'finished', agent: agent.name, jobId: job.id, result: 'failed' });
    }
    this.#tell({ kind: 'gone', agent: agent.name, why });
  }

  /** Deletes those that were silent for too long. */
  sweep(nowMs: number): void {
    for (const agent of this.#state.agents) {
      const silentMs = nowMs - agent.lastSeenMs;
      const busy = this.#state.jobs.some((job) => job.agent === agent.name && job.state === 'assigned');
      const limitMs = agent.state === undefined ? neverSyncedMs : busy ? anyMs : idleMs;
      if (silentMs > limitMs) this.remove(agent, 'silent');
    }
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
