import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRouter, listen } from '../../../http/index.ts';
import { messageOf, systemClock, UserError } from '../../../lib/index.ts';
import { AgentRegistry } from './registry.ts';
import { Routes } from './routes.ts';
import { newHubState, recordExchange } from './state.ts';
import { SyncDesk } from './sync-desk.ts';
import type { Exchange, Hub, HubEvent, HubJob, HubOptions, HubReply, Incoming } from './types.ts';

/** Longest body that is read: a log of 16 MiB in one request, and some more. */
const maxBodyBytes = 64 * 1024 * 1024;
/** What is written down of one: all but most of a log. */
const maxKeptBody = 4096;

/**
 * Starts the server side of the self-hosted protocol (spec CI 2, 7.4) on a port of this machine: it registers agents, hands out jobs,
 * takes their logs, and writes down whatever agents do against the protocol. Everything it knows is in `state`, so that it can be
 * started again. Throws UserError when the port cannot be had.
 */
export async function startHub(options: HubOptions = {}): Promise<Hub> {
  const { clock = systemClock, intercept, onEvent: tell = ignore } = options;
  const state = options.state ?? newHubState(options.registrationToken);
  const registry = new AgentRegistry(state, tell);
  const desk = new SyncDesk({
    state,
    clock,
    nextSyncAfterMs: 'nextSyncAfterMs' in options ? options.nextSyncAfterMs : [4000, 6000],
    intervalSlackMs: options.intervalSlackMs ?? 250,
    tell,
  });
  const now = (): number => clock.now();
  let url = '';
  const routes = new Routes({
    state,
    registry,
    desk,
    now,
    url: () => url,
    logTokenLifetimeMs: options.logTokenLifetimeMs ?? 3_600_000,
    maxLogBytes: options.maxLogBytes ?? 16 * 1024 * 1024,
    tell,
  });
  const syncing = new Set<string>();

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const incoming = await read(request);
    const exchange = openExchange(incoming, now());
    recordExchange(state, exchange);
    const blame = (agent: string, text: string): void => {
      state.violations.push({ agent, endpoint: `${exchange.method} ${exchange.path}`, text });
    };
    const overlapping = exchange.path === '/sync' && syncing.has(incoming.headers.authorization ?? '');
    if (exchange.path === '/sync') {
      syncing.add(incoming.headers.authorization ?? '');
      response.once('close', () => syncing.delete(incoming.headers.authorization ?? ''));
    }
    const handle = async (): Promise<HubReply> => {
      if (options.forgetSilent ?? true) registry.sweep(now());
      const { reply, agent, violations } = await routes.serve(incoming);
      exchange.agent = agent;
      for (const text of violations) blame(agent, text);
      if (overlapping) blame(agent, 'a sync while another one is under way');
      return reply;
    };
    const reply = intercept ? await intercept(incoming, handle, response) : await handle();
    if (!reply) return;
    response.once('finish', () => reply.delivered?.());
    exchange.status = reply.status;
    exchange.answer = withoutTokens(reply.body ?? '');
    response.writeHead(reply.status, { ...reply.headers }).end(reply.body);
  }

  const listener = await listen({
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    closeGraceMs: 0,
    router: {
      ...createRouter(),
      serve: (request, response) => serve(request, response).catch((error: unknown) => fail(response, error)),
    },
  });
  url = listener.url;

  function jobOf(id: string): HubJob {
    const job = state.jobs.find((each) => each.id === id);
    if (!job) throw new UserError(`the hub has no job ${id}`);
    return job;
  }

  return {
    url,
    endpoint: url.replace(/^http:\/\//, ''),
    port: listener.port,
    token: state.registrationToken,
    state,
    enqueue: (request) => {
      const id = typeof request['job_id'] === 'string' ? request['job_id'] : randomUUID();
      state.jobs.push(newJob(id, request));
      return id;
    },
    stopJob: (id) => {
      const job = jobOf(id);
      job.stopRequested = true;
      if (job.state === 'queued') Object.assign(job, { state: 'finished', result: 'stopped' });
    },
    disable: (name) => {
      for (const agent of state.agents) if (agent.name === name) agent.disabled = true;
    },
    forget: (name) => {
      for (const agent of state.agents) if (agent.name === name) registry.remove(agent, 'forgotten');
    },
    agents: () => state.agents,
    jobs: () => state.jobs,
    job: jobOf,
    violations: () => state.violations,
    exchanges: () => state.exchanges,
    close: () => listener.close(),
  };
}

const ignore = (_event: HubEvent): void => undefined;

function newJob(id: string, request: Readonly<Record<string, unknown>>): HubJob {
  return {
    id,
    request: { ...request, job_id: id },
    state: 'queued',
    agent: undefined,
    stopRequested: false,
    result: undefined,
    lines: [],
    acknowledged: 0,
    bytes: 0,
    trimmed: false,
    trimTold: false,
  };
}

async function read(request: IncomingMessage): Promise<Incoming> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBodyBytes) throw new UserError(`the request is longer than ${maxBodyBytes} bytes`);
    chunks.push(bytes);
  }
  const [path = '', query = ''] = (request.url ?? '').split('?');
  return {
    method: request.method ?? '',
    path,
    query: new URLSearchParams(query),
    headers: request.headers,
    body: Buffer.concat(chunks, size).toString('utf8'),
  };
}

function openExchange({ method, path, query, body }: Incoming, atMs: number): Exchange {
  const short = path.replace(/^\/api\/v1(\/self_hosted_agents)?/, '');
  const kept = body.length > maxKeptBody ? `${body.slice(0, maxKeptBody)}…` : body;
  return { agent: '', method, path: short, query: query.toString(), body: kept, status: 0, answer: '', atMs };
}

function withoutTokens(body: string): string {
  return body.replaceAll(/"token":"[^"]+"/g, '"token":"…"');
}

/** An agent that hangs up, or a fault of ours: what is left of the answer is dropped. */
function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) response.destroy();
  else response.writeHead(500, { 'content-type': 'text/plain' }).end(messageOf(error));
}
