import { STATUS_CODES } from 'node:http';
import { type HttpResponse, retryAfterMs, shownUrl } from '../../http/index.ts';
import { RemoteError, type RemoteErrorOptions } from '../../lib/index.ts';
import { refusalSchema } from './answers.ts';

/** What a request was about, for the words of an error. */
export interface Asked {
  /** Method and URL without credentials or query. */
  endpoint: string;
  url: string;
  /** "registration", "report", …: what the server refused. */
  what: string;
  /** Which token the request carried. */
  token: 'runner' | 'registration' | 'none';
  /** Removes tokens from a text of the server. */
  scrub: (text: string) => string;
  /** True when another token was put in the place of the one that was sent: the refusal is not about that one. */
  tokenReplaced?: () => boolean;
}

const checkToken: Record<Asked['token'], string> = {
  runner: 'Register this runner again with `semaphore runner register`.',
  registration: 'Check the registration token; a one-time token (smrs_…) works once, within an hour.',
  none: 'Something before the server asks for credentials; runners must reach it without.',
};
const wrongUrl = 'Does web_host lead to a Semaphore UI server of version 2.10 or newer?';

/** The error for an answer whose status is not the expected one. Texts of the server are quoted, tokens never. */
export function refusal(response: HttpResponse, asked: Asked): RemoteError {
  const { status } = response;
  const said = asked.scrub(saidBy(response));
  const shown = said === '' ? `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd() : `${status}: ${said}`;
  if (status < 300) return notSemaphore(response, asked, `the status ${shown}`);
  if (status < 400) return redirected(response, asked);
  const { url, what, token } = asked;
  const { text, retryable, ...facts } = meaning({ status, said, url, what, token, by: refuser(response) });
  const wait = retryAfterMs(response);
  return new RemoteError(`${text} (${shown})`, {
    ...facts,
    retryable: retryable || asked.tokenReplaced?.() === true,
    endpoint: asked.endpoint,
    status,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  });
}

interface Refused extends Pick<Asked, 'url' | 'what' | 'token'> {
  status: number;
  said: string;
  by: ReturnType<typeof refuser>;
}

type Meaning = Pick<RemoteErrorOptions, 'kind' | 'retryable' | 'hint'> & { text: string };

function meaning({ status, said, url, what, token, by }: Refused): Meaning {
  switch (status) {
    case 401:
    case 403:
      if (by === 'something before it' && token !== 'none') {
        return {
          kind: 'unauthorized',
          retryable: true,
          text: `something before the server asks for credentials or forbids the ${what}`,
          hint: checkToken.none,
        };
      }
      return {
        kind: 'unauthorized',
        retryable: false,
        text: `the server does not accept the ${token === 'none' ? 'request' : `${token} token`}`,
        hint: checkToken[token],
      };
    case 404:
      return token === 'runner' && by === 'a Semaphore server'
        ? { kind: 'not_found', retryable: false, text: 'the server does not know this runner', hint: checkToken.runner }
        : { kind: 'not_found', retryable: true, text: `${shownUrl(url)} does not exist`, hint: wrongUrl };
    case 408:
      return { kind: 'timeout', retryable: true, text: `the server gave up waiting for the ${what}` };
    case 413:
      return {
        kind: 'too_large',
        retryable: false,
        text: `the ${what} is too large for the server or a proxy before it`,
        hint: 'Raise the proxy’s limit (nginx: client_max_body_size), or lower runner.log.max_request_bytes.',
      };
    case 429:
    case 503:
      return { kind: 'busy', retryable: true, text: 'the server is busy or not ready' };
    default:
      if (status === 400 && /HTTPS? (server|port)/i.test(said)) {
        return {
          kind: 'tls',
          retryable: false,
          text: 'the server speaks HTTPS on this port',
          hint: 'web_host must begin with https://.',
        };
      }
      return {
        kind: 'rejected',
        retryable: status >= 500,
        text: `the server refused the ${what}`,
        ...(status === 400 && token === 'registration' ? { hint: checkToken.registration } : {}),
      };
  }
}

/** Redirects are never followed: the token would go to whatever host the answer names (spec 3.1). */
function redirected(response: HttpResponse, asked: Asked): RemoteError {
  const { location } = response.headers;
  const target = location !== undefined && URL.canParse(location, asked.url) ? new URL(location, asked.url) : undefined;
  const { host } = new URL(asked.url);
  const base = target && shownUrl(target).replace(/\/api\/(internal\/runners|ping)\/?$/, '');
  return new RemoteError(
    `the server ${host} redirects to ${target ? asked.scrub(shownUrl(target)) : 'nowhere'} (${response.status}), which is not followed`,
    {
      kind: 'malformed',
      endpoint: asked.endpoint,
      status: response.status,
      retryable: false,
      hint:
        base !== undefined && target && base !== shownUrl(target)
          ? `Set web_host to ${asked.scrub(base)} if that is your server.`
          : 'Set web_host to the URL at which the server answers without a redirect.',
    },
  );
}

/** The error for an answer with the right status and the wrong content. `found` continues "… answered with". */
export function notSemaphore(response: HttpResponse, asked: Asked, found: string): RemoteError {
  return new RemoteError(`this does not look like a Semaphore UI server: ${asked.endpoint} answered with ${found}`, {
    kind: 'malformed',
    endpoint: asked.endpoint,
    status: response.status,
    // A proxy's login or maintenance page goes away again.
    retryable: true,
    hint: wrongUrl,
  });
}

/** Names the kind of an unexpected body: "an HTML page (Welcome to nginx!)". Contents that may be secret are not quoted. */
export function kindOfBody(response: HttpResponse): string {
  const { body } = response;
  if (body.length === 0) return 'nothing';
  if (isHtml(response)) {
    const title = htmlTitle(body);
    return title === '' ? 'an HTML page' : `an HTML page (${title})`;
  }
  const start = body.toString('latin1', 0, 1);
  if (start === '{' || start === '[') return `JSON that breaks off or is damaged (${body.length} bytes)`;
  return `something that is not JSON (${body.length} bytes of ${response.headers['content-type'] ?? 'unknown type'})`;
}

export function isHtml(response: HttpResponse): boolean {
  return (
    /html/i.test(response.headers['content-type'] ?? '') ||
    /^\s*<(!doctype|html)/i.test(response.body.toString('latin1', 0, 200))
  );
}

function htmlTitle(body: Buffer): string {
  return oneLine(/<title[^>]*>([^<]*)</i.exec(body.toString('utf8', 0, 4096))?.[1] ?? '', 80);
}

/** What the server gave as its reason: the text of `{"error": …}`, a line of plain text, the title of an HTML page, or "". */
function saidBy(response: HttpResponse): string {
  if (isHtml(response)) return htmlTitle(response.body);
  const text = response.body.toString('utf8', 0, 4096);
  return oneLine(jsonError(text) ?? (/[^\P{Cc}\s]|\u{fffd}/u.test(text) ? '' : (text.split('\n')[0] ?? '')), 200);
}

/**
 * Who answered with a refusal. Semaphore servers say `{"error": …}`, and never ask for credentials as HTTP does; web pages and such
 * questions come from a proxy or a login portal.
 */
function refuser(response: HttpResponse): 'a Semaphore server' | 'something before it' | 'not known' {
  if (isHtml(response) || 'www-authenticate' in response.headers) return 'something before it';
  return jsonError(response.body.toString('utf8', 0, 4096)) === undefined ? 'not known' : 'a Semaphore server';
}

/** Whether a 404 says that the server does not know the runner, and not that there is nothing at this path. */
export function isUnknownRunner(response: HttpResponse): boolean {
  return response.status === 404 && refuser(response) === 'a Semaphore server';
}

/** Some handlers of the original write their refusal twice, so the first line is tried as well as the whole. */
function jsonError(text: string): string | undefined {
  for (const candidate of [text, text.split('\n')[0] ?? '']) {
    try {
      const read = refusalSchema.safeParse(JSON.parse(candidate));
      if (read.success && typeof read.data.error === 'string') return read.data.error;
    } catch {
      // Not JSON: the next candidate.
    }
  }
  return undefined;
}

function oneLine(text: string, maxLength: number): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > maxLength ? `${line.slice(0, maxLength)}…` : line;
}
