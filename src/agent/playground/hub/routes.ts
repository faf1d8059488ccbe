import { agentStates } from '../../../protocol/ci/index.ts';
import { checkHeaders, checkRegistration, checkSync, parseObject } from './checks.ts';
import { appendLog } from './log-store.ts';
import { isLogToken, makeLogToken } from './log-tokens.ts';
import type { AgentRegistry } from './registry.ts';
import type { SyncDesk } from './sync-desk.ts';
import type { HubAgent, HubEvent, HubJob, HubReply, HubState, Incoming } from './types.ts';

export interface RoutesOptions {
  state: HubState;
  registry: AgentRegistry;
  desk: SyncDesk;
  now: () => number;
  /** Base URL of this hub. */
  url: () => string;
  logTokenLifetimeMs: number;
  maxLogBytes: number;
  tell: (event: HubEvent) => void;
}

/** An answer, who asked, and what was wrong with the request. */
export interface Served {
  reply: HubReply;
  agent: string;
  violations: readonly string[];
}

/** The same of a handler that knows who asks. */
interface Answered {
  reply: HubReply;
  violations?: readonly string[];
}

/** The server side of the protocol (spec CI 2.2 to 2.6, 2.11, 7.4), one method per endpoint. */
export class Routes {
  readonly #options: RoutesOptions;

  constructor(options: RoutesOptions) {
    this.#options = options;
  }

  async serve(incoming: Incoming): Promise<Served> {
    const { method, path } = incoming;
    const log = /^\/api\/v1\/logs\/([^/]+)$/.exec(path)?.[1];
    if (method === 'POST' && log !== undefined) return await this.#log(incoming, decodeURIComponent(log));
    const [, rest = ''] = /^\/api\/v1\/self_hosted_agents(\/.*)$/.exec(path) ?? [];
    const job = /^\/jobs\/([^/]+)$/.exec(rest)?.[1];
    if (method === 'POST' && rest === '/register') return this.#register(incoming);
    if (method === 'GET' && (rest === '/jobs' || rest === '/metrics')) return this.#fleet(incoming, rest);
    const asked = `${method} ${job === undefined ? rest : '/jobs/:id'}`;
    const handlers: Record<string, (agent: HubAgent) => Answered | Promise<Answered>> = {
      'POST /sync': (agent) => this.#sync(incoming, agent),
      'GET /jobs/:id': (agent) => this.#job(agent, decodeURIComponent(job ?? '')),
      'POST /refresh': (agent) => this.#refresh(incoming, agent),
      'POST /disconnect': (agent) => this.#disconnect(incoming, agent),
    };
    const handler = handlers[asked];
    if (!handler) return { reply: plain('not found', 404), agent: '', violations: ['there is no such endpoint'] };
    return await this.#authenticated(incoming, handler);
  }

  #register(incoming: Incoming): Served {
    const violations = checkHeaders(incoming, 'Token');
    const body = parseObject(incoming.body);
    if (!body) return { reply: plain('malformed JSON', 422), agent: '', violations: ['the body is no JSON object'] };
    violations.push(...checkRegistration(body, incoming.headers['user-agent'] ?? ''));
    const name = String(body['name']);
    const token = tokenOf(incoming);
    if (token === undefined) return { reply: plain('unauthorized', 401), agent: name, violations };
    if (token !== this.#options.state.registrationToken)
      return { reply: plain('not found', 404), agent: name, violations };
    const registration = {
      name,
      pid: Number(body['pid']),
      os: String(body['os']),
      arch: String(body['arch']),
      hostname: String(body['hostname']),
      singleJob: body['single_job'] === true,
      idleTimeout: Number(body['idle_timeout']),
      interruptionGracePeriod: Number(body['interruption_grace_period']),
      jobId: String(body['job_id']),
    };
    const admission = this.#options.registry.register(registration, String(body['version']), this.#options.now());
    if ('refused' in admission) return { reply: plain(admission.refused, 400), agent: name, violations };
    return { reply: reply({ name, token: admission.token }, 201), agent: name, violations };
  }

  async #authenticated(
    incoming: Incoming,
    handler: (agent: HubAgent) => Answered | Promise<Answered>,
  ): Promise<Served> {
    const { registry, now } = this.#options;
    const violations = checkHeaders(incoming, 'Token');
    const token = tokenOf(incoming);
    if (token === undefined) return { reply: plain('unauthorized', 401), agent: '', violations };
    const agent = registry.byToken(token);
    // Not a violation: an agent cannot know that it was forgotten.
    if (!agent) return { reply: plain('agent not found', 404), agent: registry.formerly(token) ?? '', violations };
    agent.lastSeenMs = now();
    const served = await handler(agent);
    return { ...served, agent: agent.name, violations: [...violations, ...(served.violations ?? [])] };
  }

  #sync(incoming: Incoming, agent: HubAgent): Answered {
    const body = parseObject(incoming.body);
    if (!body) return { reply: plain('malformed JSON', 422), violations: ['the body is no JSON object'] };
    const violations = checkSync(body, agent);
    const state = agentStates.find((name) => name === body['state']);
    if (!state) return { reply: plain('unknown state', 422), violations };
    agent.syncs += 1;
    const { answer, delivered, ...found } = this.#options.desk.take(agent, {
      state,
      jobId: String(body['job_id']),
      jobResult: String(body['job_result']),
      interruptedAt: Number(body['interrupted_at']),
    });
    return { reply: { ...reply(answer), delivered }, violations: [...violations, ...found.violations] };
  }

  async #job(agent: HubAgent, id: string): Promise<Answered> {
    const job = this.#options.state.jobs.find((each) => each.id === id);
    if (job?.agent !== agent.name || job.state !== 'assigned') {
      return { reply: plain('not found', 404), violations: [`the job ${id} is not this agent's`] };
    }
    const url = `${this.#options.url()}/api/v1/logs/${encodeURIComponent(id)}`;
    const logger = { method: 'push', url, token: await this.#logToken(job), max_size_in_bytes: 0 };
    // A job that brings a logger of its own keeps it.
    return { reply: reply({ logger, ...job.request }) };
  }

  #logToken({ id }: HubJob): Promise<string> {
    const { state, now, logTokenLifetimeMs } = this.#options;
    return makeLogToken(state.logSecret, { jobId: id, nowMs: now(), lifetimeMs: logTokenLifetimeMs });
  }

  async #refresh(incoming: Incoming, agent: HubAgent): Promise<Answered> {
    const violations = bodyless(incoming);
    const job = this.#options.state.jobs.find((each) => each.agent === agent.name && each.state === 'assigned');
    if (!job) return { reply: plain('no job is assigned', 422), violations };
    return { reply: reply({ token: await this.#logToken(job) }), violations };
  }

  #disconnect(incoming: Incoming, agent: HubAgent): Answered {
    this.#options.registry.remove(agent, 'disconnected');
    return { reply: plain('disconnected'), violations: bodyless(incoming) };
  }

  async #log(incoming: Incoming, id: string): Promise<Served> {
    const { state, now, maxLogBytes, tell } = this.#options;
    const violations = checkHeaders(incoming, 'Bearer');
    const job = state.jobs.find((each) => each.id === id);
    const agent = job?.agent ?? '';
    const token = tokenOf(incoming) ?? '';
    if (!job || !(await isLogToken(state.logSecret, { token, jobId: id, nowMs: now() }))) {
      return { reply: plain('unauthorized', 401), agent, violations };
    }
    const startFrom = incoming.query.get('start_from');
    const outcome = appendLog(job, { startFrom, body: incoming.body, maxBytes: maxLogBytes, nowMs: now() });
    if (outcome.added.length > 0) tell({ kind: 'log', jobId: id, lines: outcome.added });
    const answer = outcome.status === 200 ? plain('') : plain('refused', outcome.status);
    return {
      reply: { ...answer, delivered: outcome.delivered },
      agent,
      violations: [...violations, ...outcome.violations],
    };
  }

  /** What tools around the agent ask, with the registration token. */
  #fleet(incoming: Incoming, path: '/jobs' | '/metrics'): Served {
    const { state } = this.#options;
    if (tokenOf(incoming) !== state.registrationToken)
      return { reply: plain('not found', 404), agent: '', violations: [] };
    const queued = state.jobs.filter((job) => job.state === 'queued');
    const running = state.jobs.filter((job) => job.state === 'assigned').length;
    const idle = state.agents.filter((agent) => agent.jobId === '').length;
    const answer =
      path === '/jobs'
        ? { jobs: queued.map(({ id }) => ({ id })) }
        : { jobs: { queued: queued.length, running }, agents: { idle, occupied: state.agents.length - idle } };
    return { reply: reply(answer), agent: '', violations: [] };
  }
}

function reply(value: unknown, status = 200): HubReply {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(value) };
}

function plain(body: string, status = 200): HubReply {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

function bodyless({ body }: Incoming): string[] {
  return body === '' ? [] : ['the body must be empty'];
}

/** "" for an empty one, whose header may have lost its blank; undefined when there is none. */
function tokenOf({ headers }: Incoming): string | undefined {
  const found = /^(?:Token|Bearer)(?: (\S*))?$/.exec(headers.authorization ?? '');
  return found ? (found[1] ?? '') : undefined;
}
