import { STATUS_CODES } from 'node:http';
import { type HttpResponse, retryAfterMs, shownUrl } from '../../http/index.ts';
import { RemoteError, type RemoteErrorOptions } from '../../lib/index.ts';

/** Which token a request carried, and so what its refusal says. */
export type TokenKind = 'registration token' | 'access token' | 'log token' | 'callback token';

/** What a request was about, for the words of an error. */
export interface Asked {
  /** Method and URL without credentials or query. */
  endpoint: string;
  url: string;
  /** "registration", "sync", …: what the server refused. */
  what: string;
  token: TokenKind;
  /** Removed from whatever is quoted. */
  secret: string;
}

type Meaning = Pick<RemoteErrorOptions, 'kind' | 'retryable' | 'hint'> & { text: string };

const forgotten =
  'It was deleted there, or was silent for too long; an agent that is started again registers as a new one.';
const checkRegistration =
  'Check token and endpoint: the token is that of a self-hosted agent type, the endpoint <organization>.semaphoreci.com or the host of your own server.';

/** The error for an answer whose status is not the expected one. The server's own words are quoted, tokens never. */
export function refusal(response: HttpResponse, asked: Asked): RemoteError {
  const { status } = response;
  const { text, ...facts } = status >= 300 && status < 400 ? redirected(response, asked) : meaning(response, asked);
  // What is no refusal may hold a new token.
  const said = status >= 400 ? saidBy(response, asked.secret) : '';
  const shown = said === '' ? `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd() : `${status}: ${said}`;
  const wait = retryAfterMs(response);
  return new RemoteError(`${text} (${shown})`, {
    ...facts,
    endpoint: asked.endpoint,
    status,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  });
}

/** The error for an answer with the right status and the wrong content. `found` continues "… answered with". */
export function malformed(response: HttpResponse, asked: Asked, found: string): RemoteError {
  return new RemoteError(`${asked.endpoint} answered with ${found}`, {
    kind: 'malformed',
    endpoint: asked.endpoint,
    status: response.status,
    retryable: true,
    hint: 'Does the endpoint lead to a Semaphore server?',
  });
}

function meaning(response: HttpResponse, { what, token }: Asked): Meaning {
  const { status } = response;
  switch (status) {
    case 401:
    case 403:
    case 404:
      return unknown(response, what, token);
    case 413:
      return { kind: 'too_large', retryable: false, text: `the ${what} is too large for the server` };
    case 429:
    case 503:
      return { kind: 'busy', retryable: true, text: 'the server is busy or not ready' };
    default:
      return {
        kind: 'rejected',
        retryable: status >= 500,
        text: status < 300 ? `the server did not take the ${what}` : `the server refused the ${what}`,
        ...(token === 'registration token' && status < 500 ? { hint: checkRegistration } : {}),
      };
  }
}

/** These servers answer a token that they do not know with 404 as well as 401 (spec CI 2.11). */
function unknown(response: HttpResponse, what: string, token: TokenKind): Meaning {
  if (isHtml(response)) {
    return {
      kind: 'malformed',
      retryable: true,
      text: `something before the server refused the ${what}`,
      hint: 'A proxy or login page answered with a web page; agents must reach the server without it.',
    };
  }
  const kind = response.status === 404 ? 'not_found' : 'unauthorized';
  switch (token) {
    case 'registration token':
      return {
        kind,
        retryable: false,
        text: `the server does not accept the ${token}`,
        hint: checkRegistration,
      };
    case 'access token':
      // A job that is not this agent's is a 404, too; so is a path of a server that is being replaced.
      return what === 'request for the job'
        ? { kind, retryable: true, text: 'the server does not give the job to this agent' }
        : { kind, retryable: false, text: 'the server does not know this agent', hint: forgotten };
    default:
      return { kind, retryable: true, text: `the server does not accept the ${token}` };
  }
}

/**
 * Redirects are not followed: the token would go to whatever host the answer names, and most of them turn a POST into a GET, which
 * no server of this protocol takes.
 */
function redirected({ headers }: HttpResponse, asked: Asked): Meaning {
  const { location } = headers;
  const target = location !== undefined && URL.canParse(location, asked.url) ? new URL(location, asked.url) : undefined;
  const from = new URL(asked.url);
  const secure = from.protocol === 'http:' && target?.protocol === 'https:' && target.hostname === from.hostname;
  return {
    kind: 'malformed',
    retryable: false,
    text: `the server ${from.host} redirects to ${target ? shownUrl(target) : 'nowhere'}, which is not followed`,
    hint: secure
      ? 'The server wants HTTPS: leave out no-https.'
      : `Set the endpoint to ${target?.host ?? 'the host that answers without a redirect'} if that is your server.`,
  };
}

export function isHtml(response: HttpResponse): boolean {
  // Not the content type: the hub of the original's tests calls its JSON text/html.
  return /^\s*<(!doctype|html|head|body)/i.test(response.body.toString('latin1', 0, 200));
}

/** The server's words in one line: a web page's title, else the beginning of the body. */
function saidBy(response: HttpResponse, secret: string): string {
  const body = response.body.toString('utf8', 0, 4096);
  const said = isHtml(response) ? (/<title[^>]*>([^<]*)</i.exec(body)?.[1] ?? 'a web page') : body;
  const line = said.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
  const scrubbed = secret.length < 4 ? line : line.replaceAll(secret, '***');
  return scrubbed.length > 300 ? `${scrubbed.slice(0, 300)}…` : scrubbed;
}
