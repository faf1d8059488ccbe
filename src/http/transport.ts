import type { Agent } from 'node:http';
import type { Got } from 'got';
import { assertNever, codeOf, RemoteError } from '../lib/index.ts';
import { type Exchange, exchange } from './exchange.ts';
import { networkFailure, proxyRefusal } from './network-failure.ts';
import { proxyFor } from './proxy-settings.ts';
import { shownHost, shownUrl } from './shown-url.ts';
import { Trust } from './trust.ts';
import type { HttpRequest, HttpResponse, HttpTransport, TransportOptions } from './types.ts';
import { createWayOut, type WayOut } from './ways-out.ts';

/**
 * Makes the way to servers: got with kept-alive connections, proxies from the environment, own authorities in addition to the system's;
 * no retry (but for a connection that went stale while idle), no redirect, every status is an answer.
 * Throws ConfigError when the CA file cannot be used.
 */
export async function createTransport(options: TransportOptions): Promise<HttpTransport> {
  const trust = await Trust.load({
    ...options,
    caFileKey: options.caFileKey ?? 'runner.connection.server_ca_cert_file',
  });
  const { got } = await import('got');
  const client = got.extend({
    retry: { limit: 0 },
    followRedirect: false,
    throwHttpErrors: false,
    decompress: true,
    http2: false,
    headers: { 'user-agent': 'semaphore' },
  });
  return new Transport(client, trust, options);
}

class Transport implements HttpTransport {
  readonly #got: Got;
  readonly #trust: Trust;
  readonly #options: TransportOptions;
  /** One pool for each scheme and proxy; in practice one. */
  readonly #ways = new Map<string, Promise<WayOut>>();

  constructor(got: Got, trust: Trust, options: TransportOptions) {
    this.#got = got;
    this.#trust = trust;
    this.#options = options;
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    request.signal?.throwIfAborted();
    const url = new URL(request.url);
    const proxy = proxyFor(url, this.#options.env);
    if (await this.#trust.refresh()) this.#retireWays();
    const way = await this.#wayTo(url, proxy);
    const ended = await this.#exchange(way, request);
    request.signal?.throwIfAborted();

    const endpoint = `${request.method} ${shownUrl(url)}`;
    switch (ended.kind) {
      case 'answered': {
        const { status, headers } = ended.response;
        if (!proxy || (status !== 407 && !isProxysOwn(headers))) return ended.response;
        const { text, ...facts } = proxyRefusal(status, proxy, url);
        throw new RemoteError(text, { ...facts, endpoint, status });
      }
      case 'too_long':
        throw new RemoteError(`${shownHost(url)} sent an answer of more than ${request.maxResponseBytes} bytes`, {
          kind: 'malformed',
          endpoint,
          retryable: true,
          hint: 'Does the URL lead to a Semaphore server?',
        });
      case 'failed':
        throw networkFailure(ended.error, {
          endpoint,
          url,
          proxy,
          timeoutMs: request.timeoutMs,
          clientCertificate: this.#options.clientCertificate !== undefined,
        });
      default:
        return assertNever(ended);
    }
  }

  close(): void {
    for (const way of this.#ways.values())
      void way.then(({ agents }) => forEachAgent(agents, (agent) => agent.destroy()));
    this.#ways.clear();
  }

  /** What runs goes on; the next request connects anew, with the certificates of now. */
  #retireWays(): void {
    for (const way of this.#ways.values()) {
      void way.then(({ agents }) =>
        forEachAgent(agents, (agent) => {
          agent.maxFreeSockets = 0;
          dropIdle(agent);
        }),
      );
    }
    this.#ways.clear();
  }

  /**
   * A server may close a kept-alive connection at the very moment the next request is written to it. The request was not taken then,
   * so it is sent once more, on a new connection, within the same time limit; the caller never learns of it. Not so a POST: should
   * the server have taken it all the same, the runner would be registered twice. A PUT may be taken twice.
   *
   * A connection that something on the way forgot (a NAT, a firewall) answers nothing: the request fails with the time limit, got
   * closes its connection, and the others go with it, so that the next request is the first on a new one.
   */
  async #exchange(way: WayOut, request: HttpRequest): Promise<Exchange> {
    const began = performance.now();
    const first = await exchange(this.#got, way, request, request.timeoutMs);
    if (first.kind !== 'failed') return first;
    if (first.stale || codeOf(first.error) === 'ETIMEDOUT') forEachAgent(way.agents, dropIdle);
    if (!first.stale || request.method === 'POST' || request.signal?.aborted) return first;
    const left = Math.max(1, Math.round(request.timeoutMs - (performance.now() - began)));
    return await exchange(this.#got, way, request, left);
  }

  #wayTo(url: URL, proxy: URL | undefined): Promise<WayOut> {
    const key = `${url.protocol} ${proxy?.href ?? ''}`;
    let way = this.#ways.get(key);
    if (!way) {
      const { skipTlsVerify = false } = this.#options;
      way = createWayOut(url.protocol, proxy, { secureContext: () => this.#trust.context(), skipTlsVerify });
      this.#ways.set(key, way);
    }
    return way;
  }
}

/** Some proxies mark the answers that are not the server's: a 401 of theirs must not be taken for the end of our token. */
function isProxysOwn(headers: HttpResponse['headers']): boolean {
  return headers['x-squid-error'] !== undefined || /^tinyproxy\b/i.test(headers['server'] ?? '');
}

function forEachAgent({ http, https }: WayOut['agents'], action: (agent: Agent) => void): void {
  if (http) action(http);
  if (https) action(https);
}

/** The other idle connections are as old, and most likely as dead. */
function dropIdle(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}
