export { listen, type Listener, type ListenOptions } from './listen.ts';
export { json, jsonText, noContent, problem, RefusedRequest, type Reply, text } from './reply.ts';
export { retryAfterMs } from './retry-after.ts';
export { bearerToken, type Guard, type RequestContext } from './request-context.ts';
export {
  createRouter,
  type Handler,
  type RouteMethod,
  type RouteOptions,
  type Router,
  type RouterOptions,
  type WebSocketHandler,
} from './router.ts';
export { proxyFor, proxySecrets, urlSecrets } from './proxy-settings.ts';
export { shownServer, shownUrl } from './shown-url.ts';
export { createTransport } from './transport.ts';
export type { ClientCertificateOptions, HttpRequest, HttpResponse, HttpTransport, TransportOptions } from './types.ts';
export {
  openWebSocket,
  type WebSocketClient,
  type WebSocketClientOptions,
  type WebSocketOpening,
} from './websocket-client.ts';
export type { WebSocketLimits, WebSocketPeer } from './websocket.ts';
