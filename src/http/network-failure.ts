import { codeOf, messageOf, RemoteError, type RemoteErrorOptions } from '../lib/index.ts';
import { shownHost } from './shown-url.ts';
import { tlsFailure } from './tls-failure.ts';

export interface FailureContext {
  /** Method and URL without credentials or query. */
  endpoint: string;
  url: URL;
  proxy: URL | undefined;
  timeoutMs: number;
  /** There is one to show to servers that ask for it. */
  clientCertificate: boolean;
}

type Failure = Pick<RemoteErrorOptions, 'kind' | 'retryable' | 'hint'> & { text: string };

/** Turns whatever ended an exchange without a complete answer into a RemoteError with a short text and a hint. */
export function networkFailure(error: unknown, context: FailureContext): RemoteError {
  if (error instanceof RemoteError) return error;
  const { text, ...facts } = describe(error, context);
  return new RemoteError(text, { ...facts, endpoint: context.endpoint, cause: error });
}

function describe(error: unknown, { url, proxy, timeoutMs, clientCertificate }: FailureContext): Failure {
  const code = codeOf(error) ?? '';
  const server = shownHost(url);
  const tls = tlsFailure(error, url, clientCertificate);
  if (tls) return tls;

  const refused = /^Bad response: (\d+)$/.exec(messageOf(error))?.[1];
  if (proxy && refused !== undefined) return proxyRefusal(Number(refused), proxy, url);
  const reached = proxy ? `the proxy ${shownHost(proxy)}` : server;

  switch (code) {
    case 'ECONNREFUSED':
      return unreachable('the connection was refused');
    case 'ENOTFOUND':
    case 'EAI_NONAME':
    case 'EAI_NODATA':
      return unreachable('there is no such host name', 'Check its spelling, and which DNS servers this machine asks.');
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return unreachable(
        'its name cannot be resolved at the moment',
        'No DNS server answers; check /etc/resolv.conf, and the network of this machine or container.',
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'ENETDOWN':
    case 'EADDRNOTAVAIL':
      return unreachable('no route to it', 'Check the network and firewalls between this machine and it.');
    case 'ETIMEDOUT':
    case 'ESOCKETTIMEDOUT':
      return {
        kind: 'timeout',
        retryable: true,
        text: `${server} did not answer within ${timeoutMs / 1000} s`,
        hint: 'The server or the network is slow, or a firewall drops the connection silently.',
      };
    case 'EPROTO':
    case 'HPE_INVALID_CONSTANT':
    case 'HPE_INVALID_VERSION':
    case 'HPE_INVALID_STATUS':
    case 'HPE_INVALID_HEADER_TOKEN':
      return {
        kind: 'malformed',
        retryable: true,
        text: `${server} does not speak HTTP`,
        hint:
          url.protocol === 'http:'
            ? 'If it speaks HTTPS on this port, the URL must begin with https://.'
            : 'Check the port of the URL.',
      };
    case 'HPE_HEADER_OVERFLOW':
    case 'Z_DATA_ERROR':
    case 'Z_BUF_ERROR':
    case 'ERR__ERROR_FORMAT_PADDING_1':
      return { kind: 'malformed', retryable: true, text: `the answer of ${server} is damaged (${code})` };
    case 'ECONNRESET':
    case 'ECONNABORTED':
    case 'EPIPE':
    case 'ERR_STREAM_PREMATURE_CLOSE':
    case 'ERR_HTTP_CONTENT_LENGTH_MISMATCH':
    case 'HPE_INVALID_EOF_STATE':
      return {
        kind: 'network',
        retryable: true,
        text: `${server} closed the connection before its answer was complete`,
        ...hintForReset(url, proxy, clientCertificate),
      };
    default:
      return {
        kind: proxy ? 'proxy' : 'network',
        retryable: true,
        text: `cannot talk to ${reached}: ${messageOf(error)}`,
      };
  }

  function unreachable(why: string, hint = 'Is it running, and are host and port right?'): Failure {
    return {
      kind: proxy ? 'proxy' : 'network',
      retryable: true,
      text: `cannot connect to ${reached}: ${why}`,
      hint: proxy ? `${hint} Add the server to NO_PROXY if it is reachable without the proxy.` : hint,
    };
  }
}

function hintForReset(url: URL, proxy: URL | undefined, clientCertificate: boolean): { hint?: string } {
  if (url.protocol === 'https:') {
    // The alert that would say so is lost when the server hangs up while the request is still written.
    return clientCertificate
      ? {}
      : { hint: 'If it asks for a client certificate, give one in runner.connection.client_cert_file.' };
  }
  return proxy ? {} : { hint: 'If the server speaks HTTPS on this port, the URL must begin with https://.' };
}

/** A proxy's own refusal, to CONNECT or to a forwarded request. */
export function proxyRefusal(status: number, proxy: URL, url: URL): Failure {
  const name = `the proxy ${shownHost(proxy)}`;
  // 401: what tinyproxy says to wrong credentials.
  if (status === 407 || status === 401) {
    const given = proxy.username !== '';
    return {
      kind: 'proxy',
      retryable: false,
      text: given ? `${name} does not accept the credentials in its URL` : `${name} asks for credentials`,
      hint: 'Write them into the proxy variable: http://user:password@host:port, special characters percent-encoded.',
    };
  }
  if (status >= 500) {
    return {
      kind: 'proxy',
      retryable: true,
      text: `${name} could not reach ${shownHost(url)} (${status})`,
      hint: 'Is the server running, and known to the proxy by this name? Add it to NO_PROXY if it is reachable without the proxy.',
    };
  }
  return {
    kind: 'proxy',
    retryable: false,
    text: `${name} refused the connection to ${shownHost(url)} (${status})`,
    hint: 'Ask for the server to be allowed there, or add it to NO_PROXY if it is reachable without the proxy.',
  };
}
