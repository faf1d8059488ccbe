/** A URL as it may appear in messages: no credentials, no query, no fragment. */
export function shownUrl(url: string | URL): string {
  const given = String(url);
  if (!URL.canParse(given)) return given.replace(/\/\/[^/]*@/, '//').replace(/[?#].*$/s, '');
  const { protocol, host, pathname } = new URL(given);
  return `${protocol}//${host}${pathname}`;
}

/** `host:port` of a URL, the port also when it is the scheme's own. */
export function shownHost(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;
}
