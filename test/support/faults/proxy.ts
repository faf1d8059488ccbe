import { Agent, createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A whole answer, as it came from the server or shall go to the runner. */
export interface Answer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

/** A request that reached the proxy. */
export interface PassedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** When its last byte came, milliseconds since the epoch. */
  readonly at: number;
  /** Answers that the server gave to it, one for each time it was sent on. */
  readonly answers: Answer[];
}

/** One request in the hands of a fault. */
export interface Exchange {
  readonly request: PassedRequest;
  /** The connection to the runner, for faults below HTTP. */
  readonly socket: Socket;
  /** The latest answer of the server to an earlier request with the same method. */
  readonly earlier: Answer | undefined;
  /** Aborted when the runner hangs up or the proxy is closed: no wait may outlive it. */
  readonly gone: AbortSignal;
  /** Sends the request on to the server. Rejects when the server cannot be reached. */
  readonly forward: () => Promise<Answer>;
  /** Answers the runner properly. */
  readonly reply: (answer: Answer) => void;
}

/** What is done with a request instead of passing it on. One that returns without a reply has the connection in its own hands. */
export type Fault = (exchange: Exchange) => Promise<void> | void;

/** Which requests a fault concerns: those that meet all of it. */
export interface Rule {
  method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** @default any */
  path?: RegExp;
  /** What its body must match. */
  carrying?: RegExp;
  /** So many that match pass first. @default 0 */
  skip?: number;
  /** So many are spoilt, then the rest passes. @default all */
  times?: number;
}

/** A fault that was ordered. */
export interface Injection {
  /** Requests that it has spoilt. */
  readonly hits: number;
  /** No request is spoilt from now on. */
  remove(): void;
}

interface ActiveInjection extends Injection {
  rule: Rule;
  fault: Fault;
  seen: number;
  hits: number;
}

const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);

/**
 * A reverse proxy that misbehaves on command, between a runner and a server:
 *
 *     const proxy = await FaultProxy.start(() => server.url);
 *     proxy.inject(status(503, { 'retry-after': '2' }), { method: 'PUT', times: 3 });
 *     … web_host: proxy.url …
 *     await proxy.down(); await proxy.up();
 *
 * Without an order it passes everything. The first order that matches a request has it. Whatever arrives is recorded in
 * `requests`, with what the server said. The faults are in `faults.ts`; any function of an `Exchange` is one, too.
 */
export class FaultProxy {
  readonly requests: PassedRequest[] = [];
  readonly #target: () => string;
  readonly #agent = new Agent({ keepAlive: true });
  #server: Server | undefined;
  #port = 0;
  #injections: ActiveInjection[] = [];
  #closed = new AbortController();

  private constructor(target: () => string) {
    this.#target = target;
  }

  /** Listens on a free port; closed with the test. `target` is asked for every request, so that the server may move. */
  static async start(target: () => string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await proxy.up();
    onTestFinished(() => proxy.close());
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Orders a fault for the requests that meet `rule`. */
  inject(fault: Fault, rule: Rule = {}): Injection {
    const injection: ActiveInjection = {
      fault,
      rule,
      seen: 0,
      hits: 0,
      remove: () => {
        this.#injections = this.#injections.filter((other) => other !== injection);
      },
    };
    this.#injections.push(injection);
    return injection;
  }

  /** Everything passes again. */
  heal(): void {
    this.#injections = [];
  }

  /** Refuses connections and cuts those that are open, as if the server had ended. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    this.#closed.abort();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  /** Listens again, on the same port. */
  async up(): Promise<void> {
    if (this.#server) return;
    this.#closed = new AbortController();
    const server = createServer({ requestTimeout: 0, headersTimeout: 0 }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const passed: PassedRequest = {
          method: request.method ?? '',
          path: request.url ?? '',
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
          at: Date.now(),
          answers: [],
        };
        const hungUp = new AbortController();
        response.once('close', () => hungUp.abort());
        void this.#handle({
          request: passed,
          socket: request.socket,
          earlier: this.requests.findLast(({ method, answers }) => method === passed.method && answers.length > 0)
            ?.answers[0],
          gone: AbortSignal.any([hungUp.signal, this.#closed.signal]),
          forward: () => this.#forward(passed),
          reply: ({ status, headers, body }) => {
            const kept = Object.entries(headers).filter(([name]) => !hopByHop.has(name));
            if (!response.headersSent) response.writeHead(status, Object.fromEntries(kept)).end(body);
          },
        });
      });
    });
    // A runner whose connection is cut has nothing to do with this process.
    server.on('clientError', (_error, socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await this.down();
    this.#agent.destroy();
  }

  async #handle(exchange: Exchange): Promise<void> {
    this.requests.push(exchange.request);
    const fault = this.#faultFor(exchange.request);
    try {
      if (fault) await fault(exchange);
      else exchange.reply(await exchange.forward());
    } catch (error: unknown) {
      if (exchange.gone.aborted) return;
      // The server is not there: what every reverse proxy says then.
      exchange.reply({ status: 502, headers: { 'content-type': 'text/plain' }, body: Buffer.from(String(error)) });
    }
  }

  #faultFor(request: PassedRequest): Fault | undefined {
    for (const injection of this.#injections) {
      const { method, path, carrying, skip = 0, times = Number.POSITIVE_INFINITY } = injection.rule;
      if (method !== undefined && method !== request.method) continue;
      if (path && !path.test(request.path)) continue;
      if (carrying && !carrying.test(request.body)) continue;
      injection.seen += 1;
      if (injection.seen <= skip || injection.hits >= times) continue;
      injection.hits += 1;
      return injection.fault;
    }
    return undefined;
  }

  #forward(passed: PassedRequest): Promise<Answer> {
    const headers = Object.fromEntries(Object.entries(passed.headers).filter(([name]) => !hopByHop.has(name)));
    const body = Buffer.from(passed.body);
    return new Promise((resolve, reject) => {
      const request = httpRequest(new URL(passed.path, this.#target()), {
        method: passed.method,
        headers: { ...headers, ...(body.length > 0 ? { 'content-length': body.length } : {}) },
        agent: this.#agent,
      });
      request.once('error', reject);
      request.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const entries = Object.entries(response.headers).flatMap(([name, value]) =>
            value === undefined ? [] : [[name, String(value)] as const],
          );
          const answer: Answer = {
            status: response.statusCode ?? 0,
            headers: Object.fromEntries(entries),
            body: Buffer.concat(chunks),
          };
          passed.answers.push(answer);
          resolve(answer);
        });
      });
      request.end(body);
    });
  }
}
