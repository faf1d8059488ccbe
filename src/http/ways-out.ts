import * as http from 'node:http';
import * as https from 'node:https';
import { isIPv6 } from 'node:net';
import { checkServerIdentity, type SecureContext } from 'node:tls';
import { proxyAuthorization } from './proxy-settings.ts';

/** How to open one request: the function that starts it, and the agent whose connections it uses. */
export interface WayOut {
  agents: { http?: http.Agent; https?: https.Agent };
  /** Undefined means directly, by got itself. */
  request?: (
    url: URL,
    options: https.RequestOptions,
    callback?: (response: http.IncomingMessage) => void,
  ) => http.ClientRequest;
}

export interface WayOutOptions {
  secureContext: () => SecureContext;
  skipTlsVerify: boolean;
}

interface TlsChecks {
  rejectUnauthorized: boolean;
}

/**
 * The poller and the reporter need one connection each; more idle ones would only go stale. `keepAlive` also turns on TCP's own, so that
 * the kernel notices a peer that is gone.
 */
const pool = {
  keepAlive: true,
  maxFreeSockets: 2,
  // Of a name with IPv6 and IPv4 addresses each gets this long before the next is tried; Node's 250 ms are too short for slow lines.
  autoSelectFamily: true,
  autoSelectFamilyAttemptTimeout: 1000,
};

/** After this long a proxy that does not answer to CONNECT is given up, whatever the caller waits for. */
const CONNECT_TIMEOUT_MS = 60_000;

/** Makes the connection pool for one scheme and one proxy (or none). */
export async function createWayOut(protocol: string, proxy: URL | undefined, options: WayOutOptions): Promise<WayOut> {
  const tls = { rejectUnauthorized: !options.skipTlsVerify };
  if (protocol === 'https:') {
    const secure = { ...pool, ...tls, secureContext: options.secureContext() };
    if (!proxy) return { agents: { https: new https.Agent(secure) } };
    return { agents: { https: await tunnel(proxy, { ...secure, timeout: CONNECT_TIMEOUT_MS }, tls, options) } };
  }
  return proxy ? forwarding(proxy, tls, options) : { agents: { http: new http.Agent(pool) } };
}

/** https through a proxy: CONNECT, then TLS with the server inside. */
async function tunnel(
  proxy: URL,
  secure: https.AgentOptions,
  tls: TlsChecks,
  options: WayOutOptions,
): Promise<https.Agent> {
  const { HttpsProxyAgent } = await import('hpagent');
  // Everything in here is handed on to the request that asks for the tunnel.
  const toProxy = proxy.protocol === 'https:' ? { ...tls, secureContext: options.secureContext() } : tls;
  const agent = new HttpsProxyAgent({
    ...secure,
    proxy,
    proxyRequestOptions: toProxy,
    checkServerIdentity: (host, certificate) => checkServerIdentity(withoutBrackets(host), certificate),
  });
  bracketAddresses(agent);
  return agent;
}

/** hpagent asks for "2001:db8::1:443" where "[2001:db8::1]:443" is meant. */
function bracketAddresses(agent: https.Agent): void {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) =>
    connect(isIPv6(options.host ?? '') ? { ...options, host: `[${options.host}]` } : options, callback);
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

/**
 * Plain http through a proxy: the whole URL in the request line. Not CONNECT, which is all that hpagent knows: proxies commonly allow
 * it to port 443 only.
 */
function forwarding(proxy: URL, tls: TlsChecks, options: WayOutOptions): WayOut {
  if (proxy.protocol === 'https:') {
    const agent = new https.Agent({ ...pool, ...tls, secureContext: options.secureContext() });
    return {
      agents: { https: agent },
      request: (url, own, callback) => https.request({ ...forwarded(url, own, proxy), agent }, callback),
    };
  }
  const agent = new http.Agent(pool);
  return {
    agents: { http: agent },
    request: (url, own, callback) => http.request({ ...forwarded(url, own, proxy), agent }, callback),
  };
}

function forwarded(url: URL, { method, headers }: https.RequestOptions, proxy: URL): https.RequestOptions {
  const authorization = proxyAuthorization(proxy);
  return {
    method,
    host: withoutBrackets(proxy.hostname),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    path: `${url.origin}${url.pathname}${url.search}`,
    headers: {
      ...(isNamed(headers) ? headers : {}),
      host: url.host,
      ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }),
    },
  };
}

/** Node also takes headers as a flat list, which got never makes. */
function isNamed(headers: https.RequestOptions['headers']): headers is http.OutgoingHttpHeaders {
  return headers !== undefined && !Array.isArray(headers);
}
