import { setTimeout as delay } from 'node:timers/promises';
import type { HubReply, Interceptor } from '../../src/agent/playground/hub/index.ts';

/** What goes wrong with one request. `stored: true`: the hub gets it, only its answer is spoilt. */
export type Fault = Interceptor;

interface Spoilt {
  /** @default false */
  stored?: boolean;
}

/** Which requests a fault meets. */
export interface FaultRule {
  method?: string;
  /** Of the whole path. */
  path?: RegExp;
  /** Something in the body. */
  carrying?: RegExp;
  /** @default 1 */
  times?: number;
}

/** An ordered fault. */
export interface FaultOrder {
  /** So often it was met. */
  readonly hits: number;
  cancel(): void;
}

/** Faults in the order in which they were ordered; the first that fits is met. */
export class FaultBook {
  #orders: { rule: FaultRule; fault: Fault; hits: number; left: number }[] = [];

  add(rule: FaultRule, fault: Fault): FaultOrder {
    const order = { rule, fault, hits: 0, left: rule.times ?? 1 };
    this.#orders.push(order);
    return {
      get hits() {
        return order.hits;
      },
      cancel: () => {
        order.left = 0;
      },
    };
  }

  readonly intercept: Interceptor = async (incoming, handle, response) => {
    const order = this.#orders.find(
      ({ rule, left }) =>
        left > 0 &&
        (rule.method === undefined || rule.method === incoming.method) &&
        (rule.path?.test(incoming.path) ?? true) &&
        (rule.carrying?.test(incoming.body) ?? true),
    );
    if (!order) return await handle();
    order.left -= 1;
    order.hits += 1;
    return await order.fault(incoming, handle, response);
  };
}

function plain(code: number, body: string, headers: Readonly<Record<string, string>> = {}): HubReply {
  return { status: code, headers: { 'content-type': 'text/plain', ...headers }, body };
}

/** Answers with a status; the hub does not hear of the request. */
export function status(
  code: number,
  body = 'ordered by a test',
  headers: Readonly<Record<string, string>> = {},
): Fault {
  return async () => plain(code, body, headers);
}

/** Answers with a web page. */
export function html(code: number, title: string): Fault {
  return async () =>
    plain(code, `<!doctype html><html><title>${title}</title></html>`, { 'content-type': 'text/html' });
}

/** Cuts the connection instead of an answer. */
export function drop({ stored = false }: Spoilt = {}): Fault {
  return async (_incoming, handle, response) => {
    if (stored) await handle();
    response.destroy();
    return undefined;
  };
}

/** Cuts the connection in the middle of the answer. */
export function half({ stored = false }: Spoilt = {}): Fault {
  return async (_incoming, handle, response) => {
    if (stored) await handle();
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"action":"cont', () => response.destroy());
    return undefined;
  };
}

/** Takes the request and never answers. */
export function silence({ stored = false }: Spoilt = {}): Fault {
  return async (_incoming, handle) => {
    if (stored) await handle();
    return undefined;
  };
}

/** The answer comes `ms` milliseconds later. */
export function late(ms: number): Fault {
  return async (_incoming, handle) => {
    const reply = await handle();
    await delay(ms);
    return reply;
  };
}
