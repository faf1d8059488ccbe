/** A URL as it may appear in messages: no credentials, no query, no fragment. */
export function shownUrl(url: string | URL): string {
  const given = String(url);
  if (!URL.canParse(given)) return given.replace(/\/\/[^/]*@/, '//').replace(/[?#].*$/s, '');
  const { protocol, host, pathname } = new URL(given);
  return `${protocol}//${host}${pathname}`;
}

/** The base URL of a server the same way, as it is usually written: without a slash at its end. */
export function shownServer(webHost: string): string {
  return shownUrl(webHost).replace(/\/$/, '');
}

/** `host:port` of a URL, the port also when it is the scheme's own. */
export function shownHost(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;
}
