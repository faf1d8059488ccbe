import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Reply } from '../../../http/index.ts';
import type { Clock } from '../../../lib/index.ts';
import type { AgentRegistration, AgentStateName, JobResult } from '../../../protocol/ci/index.ts';

/** What an agent does against the protocol; a conformance test fails on any. */
export interface Violation {
  /** Name of the agent, or "" when it is not known. */
  agent: string;
  /** `POST /sync` and so on. */
  endpoint: string;
  text: string;
}

/** An agent that is registered. */
export interface HubAgent {
  name: string;
  registration: AgentRegistration;
  version: string;
  /** Hex; the token itself is not kept. */
  tokenHash: string;
  registeredAtMs: number;
  /** As it reported last; undefined before its first sync. */
  state: AgentStateName | undefined;
  /** Of its last report. */
  jobId: string;
  /** Unix seconds; 0 while it was not told to end. */
  interruptedAt: number;
  /** Ordered to go: stops its job and shuts down. */
  disabled: boolean;
  lastSeenMs: number;
  /** Since when it has been without a job. */
  idleSinceMs: number;
  syncs: number;
}

export interface HubJob {
  id: string;
  /** The job request, as the agent gets it. */
  request: Readonly<Record<string, unknown>>;
  state: 'queued' | 'assigned' | 'finished';
  /** Name of the agent that it was given to. */
  agent: string | undefined;
  stopRequested: boolean;
  result: JobResult | undefined;
  /** The log: one JSON event each, without newline. */
  lines: string[];
  /** So many of the lines are known by the agent to have arrived. */
  acknowledged: number;
  bytes: number;
  /** It is longer than the hub lets it be. */
  trimmed: boolean;
  /** The agent knows. */
  trimTold: boolean;
}

/** One request and what became of it, tokens left out. */
export interface Exchange {
  agent: string;
  method: string;
  /** Without the base: `/sync`, `/jobs/<id>`, `/logs/<id>`. */
  path: string;
  query: string;
  body: string;
  /** 0 while it is being answered, and when no whole answer was sent. */
  status: number;
  answer: string;
  atMs: number;
}

/** A request that has come in whole. */
export interface Incoming {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: string;
}

/** An answer; `delivered` is called when it has been handed over whole. */
export interface HubReply extends Reply {
  body?: string;
  delivered?: () => void;
}

/**
 * Stands between a request and the hub: answers itself, lets `handle` do so, or spoils the answer by way of `response`. undefined: it has
 * done with the response whatever it wanted.
 */
export type Interceptor = (
  incoming: Incoming,
  handle: () => Promise<HubReply>,
  response: ServerResponse,
) => Promise<HubReply | undefined>;

/** What happened, for somebody who looks on. */
export type HubEvent =
  | { kind: 'registered'; agent: string }
  | { kind: 'assigned'; agent: string; jobId: string }
  | { kind: 'state'; agent: string; jobId: string; state: AgentStateName }
  | { kind: 'log'; jobId: string; lines: readonly string[] }
  | { kind: 'finished'; agent: string; jobId: string; result: JobResult }
  | { kind: 'shutdown'; agent: string; reason: string }
  | { kind: 'gone'; agent: string; why: 'disconnected' | 'silent' | 'forgotten' };

export interface HubOptions {
  /** @default 127.0.0.1 */
  host?: string;
  /** @default 0, a free one */
  port?: number;
  /** @default a random one */
  registrationToken?: string;
  /** @default the system's */
  clock?: Clock;
  /** What agents are told to wait, from … to, milliseconds; undefined tells them nothing. @default 4000 to 6000, twice while a job runs */
  nextSyncAfterMs?: readonly [number, number] | undefined;
  /** Agents that come back earlier than told by more than this break the protocol, milliseconds. @default 250 */
  intervalSlackMs?: number;
  /** Milliseconds. @default one hour */
  logTokenLifetimeMs?: number;
  /** Of one job; longer ones are trimmed. @default 16 MiB */
  maxLogBytes?: number;
  /** Deletes agents that are silent for too long. @default true */
  forgetSilent?: boolean;
  /** What an earlier hub knew: this one is that one, started again. */
  state?: HubState;
  intercept?: Interceptor;
  onEvent?: (event: HubEvent) => void;
}

/** All that a hub knows and would keep in a database. */
export interface HubState {
  registrationToken: string;
  /** Signs the tokens of the logs. */
  logSecret: Uint8Array;
  agents: HubAgent[];
  /** Hashes of tokens of agents that are gone, and their names. */
  gone: Map<string, string>;
  jobs: HubJob[];
  violations: Violation[];
  exchanges: Exchange[];
}

export interface Hub {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** The same without the scheme, as the agent's `endpoint`. */
  readonly endpoint: string;
  readonly port: number;
  /** The registration token. */
  readonly token: string;
  readonly state: HubState;
  /** Puts a job into the queue; an id is made for it when it has none, and its logger is set. Returns the id. */
  enqueue(request: Readonly<Record<string, unknown>>): string;
  /** Has a job stopped; one in the queue is finished at once. */
  stopJob(id: string): void;
  /** Has an agent shut down, after its job was stopped. */
  disable(agent: string): void;
  /** Deletes an agent, as the hub does itself with those that are silent for too long. */
  forget(agent: string): void;
  agents(): readonly HubAgent[];
  jobs(): readonly HubJob[];
  /** Throws when there is none. */
  job(id: string): HubJob;
  violations(): readonly Violation[];
  exchanges(): readonly Exchange[];
  close(): Promise<void>;
}
