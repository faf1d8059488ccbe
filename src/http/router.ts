import type { IncomingMessage, ServerResponse } from 'node:http';
import { codeOf, UserError } from '../lib/index.ts';
import { createContext, type Guard, type RequestContext, targetOf } from './request-context.ts';
import { problem, RefusedRequest, type Reply, sendReply } from './reply.ts';
import { RouteTable } from './route-table.ts';
import type { WebSocketPeer } from './websocket.ts';

export type Handler = (context: RequestContext) => Reply | Promise<Reply>;
export type RouteMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export type WebSocketHandler = (peer: WebSocketPeer, context: RequestContext) => void;

export interface RouteOptions {
  /** Instead of the router's own guard; null for a route open to everybody. */
  guard?: Guard | null;
  /** Instead of the router's own limit. */
  maxBodyBytes?: number;
}

export interface RouterOptions {
  /** Asked before every route. */
  guard?: Guard;
  /** A longer body is answered with 413. @default 64 MiB */
  maxBodyBytes?: number;
  /** Told of every error that became a 500, and of streamed bodies that broke. */
  onError?: (error: unknown, context: { method: string; path: string }) => void;
}

interface Route {
  handler: Handler;
  options: RouteOptions;
}

interface WebSocketRoute {
  onConnection: WebSocketHandler;
  options: RouteOptions;
}

/** An upgrade that may go on, or the reply that refuses it. */
export type UpgradeDecision =
  | { kind: 'accepted'; onConnection: (peer: WebSocketPeer) => void }
  | { kind: 'refused'; reply: Reply };

export interface Router {
  /** Registers a handler for a method and a pattern such as `/api/project/:pid/tasks/:id`; GET also serves HEAD. */
  route(method: RouteMethod, pattern: string, handler: Handler, options?: RouteOptions): void;
  /** Registers a WebSocket at a pattern; its guard is asked before the upgrade. */
  handleUpgrade(pattern: string, onConnection: WebSocketHandler, options?: RouteOptions): void;
  /** Serves one request; never rejects. For `listen`. */
  serve(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Decides on one upgrade; never rejects. For `listen`. */
  decideUpgrade(request: IncomingMessage): Promise<UpgradeDecision>;
}

const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** A small router for our own servers: patterns, JSON refusals, body limits, a guard; no middleware. */
export function createRouter(options: RouterOptions = {}): Router {
  const routes = new RouteTable<Route>();
  const sockets = new RouteTable<WebSocketRoute>();

  async function guarded(context: RequestContext, own: RouteOptions): Promise<Reply | undefined> {
    const guard = own.guard === undefined ? options.guard : own.guard;
    return guard ? await guard(context) : undefined;
  }

  async function answer(request: IncomingMessage): Promise<Reply> {
    const target = targetOf(request.url ?? '');
    if (!target) return problem(400, 'Invalid path');
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
    const match = routes.find(method, target.segments);
    if (!match) return noRoute(routes.methodsOf(target.segments), request.method ?? '');
    const own = match.value.options;
    const limit = own.maxBodyBytes ?? options.maxBodyBytes ?? MAX_BODY_BYTES;
    const context = createContext(request, target, match.params, limit);
    return (await guarded(context, own)) ?? (await match.value.handler(context));
  }

  function report(error: unknown, request: IncomingMessage): void {
    options.onError?.(error, { method: request.method ?? '', path: request.url?.split('?')[0] ?? '' });
  }

  function failure(error: unknown, request: IncomingMessage): Reply {
    if (error instanceof RefusedRequest) return problem(error.status, error.message);
    if (error instanceof UserError) return problem(400, error.message);
    report(error, request);
    return problem(500, 'Unexpected error');
  }

  return {
    route: (method, pattern, handler, own = {}) => routes.add(method, pattern, { handler, options: own }),
    handleUpgrade: (pattern, onConnection, own = {}) => sockets.add('GET', pattern, { onConnection, options: own }),
    serve: async (request, response) => {
      const reply = await answer(request).catch((error: unknown) => failure(error, request));
      // A body that nobody read would be taken for the next request on this connection.
      if (!request.complete) request.resume();
      if (reply.status === 413) response.setHeader('connection', 'close');
      await sendReply(response, reply, { headOnly: request.method === 'HEAD' }).catch((error: unknown) => {
        response.destroy();
        // A peer that goes away in the middle of a stream is no error of ours.
        if (codeOf(error) !== 'ERR_STREAM_PREMATURE_CLOSE') report(error, request);
      });
    },
    decideUpgrade: async (request) => {
      try {
        const target = targetOf(request.url ?? '');
        const match = target && sockets.find('GET', target.segments);
        if (!target || !match) return { kind: 'refused', reply: problem(404, 'Not found') };
        const context = createContext(request, target, match.params, 0);
        const reply = await guarded(context, match.value.options);
        if (reply) return { kind: 'refused', reply };
        return { kind: 'accepted', onConnection: (peer) => match.value.onConnection(peer, context) };
      } catch (error: unknown) {
        return { kind: 'refused', reply: failure(error, request) };
      }
    },
  };
}

function noRoute(methods: readonly string[], method: string): Reply {
  if (methods.length === 0) return problem(404, 'Not found');
  const allow = [...new Set(methods.flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name])))].join(', ');
  const reply = problem(405, `${method} is not possible here; possible: ${allow}`);
  return { ...reply, headers: { ...reply.headers, allow } };
}
