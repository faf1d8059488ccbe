/** How git reaches a repository (spec 4.5). */
export type RemoteKind = 'local' | 'file' | 'http' | 'ssh' | 'other';

export interface Remote {
  kind: RemoteKind;
  /** For git's command line: without user name and password of http, without the password of ssh. */
  url: string;
  /** For the log: nothing between `://` and the last `@`. */
  display: string;
  /** `scheme://host[:port]` of an http remote: where credentials may be sent. */
  origin: string | undefined;
  /** Credentials that were written into the URL, decoded. */
  login: string | undefined;
  password: string | undefined;
}

const schemePattern = /^([a-z][a-z0-9+.-]*):\/\//i;

/**
 * Takes the URL of a repository apart. A password typed into it without percent-encoding may itself hold `/` or `@`, so the
 * last `@` before a query counts, wherever it stands; what comes before it is never shown and never an argument.
 */
export function parseRemote(text: string): Remote {
  const url = text.trim();
  const none = { origin: undefined, login: undefined, password: undefined };
  if (url.startsWith('/') || /^[a-z]:[\\/]/i.test(url) || url.startsWith('\\\\')) {
    return { kind: 'local', url, display: url, ...none };
  }
  const scheme = schemePattern.exec(url)?.[1]?.toLowerCase();
  // `git@host:path`, the form of scp: the user name stays, it is needed and no secret.
  if (scheme === undefined) return { kind: 'ssh', url, display: url, ...none };
  const start = url.indexOf('://') + 3;
  const at = url.lastIndexOf('@');
  const rest = at < start ? url.slice(start) : url.slice(at + 1);
  const userInfo = at < start ? '' : url.slice(start, at);
  const colon = userInfo.indexOf(':');
  const login = colon === -1 ? userInfo : userInfo.slice(0, colon);
  const password = colon === -1 ? undefined : decode(userInfo.slice(colon + 1));
  const display = `${scheme}://${rest}`;
  switch (scheme) {
    case 'http':
    case 'https':
      return {
        kind: 'http',
        url: display,
        display,
        origin: `${scheme}://${rest.split(/[/?#]/, 1)[0] ?? ''}`,
        login: userInfo === '' ? undefined : decode(login),
        password,
      };
    case 'ssh':
    case 'git+ssh':
    case 'ssh+git':
      return { kind: 'ssh', url: `${scheme}://${login === '' ? '' : `${login}@`}${rest}`, display, ...none, password };
    case 'file':
      return { kind: 'file', url: `file://${url.slice(start)}`, display: `file://${url.slice(start)}`, ...none };
    default:
      return { kind: 'other', url: display, display, ...none };
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
