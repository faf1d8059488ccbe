import { RemoteError } from '../lib/index.ts';
import { bypassesProxy } from './no-proxy.ts';
import { shownUrl } from './shown-url.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** A variable in upper or lower case; the first that is set counts. */
function lookup(env: Environment, ...names: string[]): { name: string; value: string } | undefined {
  for (const name of names.flatMap((upper) => [upper, upper.toLowerCase()])) {
    const value = env[name]?.trim();
    if (value) return { name, value };
  }
  return undefined;
}

/**
 * The proxy that a URL is reached through: `HTTPS_PROXY` or `HTTP_PROXY` by the URL's scheme, else `ALL_PROXY`, unless `NO_PROXY`
 * covers the host. Undefined means directly. Throws RemoteError (proxy) when the variable holds no usable URL.
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const setting = lookup(env, url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY', 'ALL_PROXY');
  if (!setting || bypassesProxy(url, lookup(env, 'NO_PROXY')?.value ?? '')) return undefined;
  const { name, value } = setting;
  // "proxy.example.com:3128" is commonly written, and means http.
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  if (!URL.canParse(full)) throw unusable(name, 'is not a URL', url);
  const proxy = new URL(full);
  if (proxy.protocol === 'http:' || proxy.protocol === 'https:') return proxy;
  throw unusable(name, `names a ${proxy.protocol}// proxy, which is not supported`, url);
}

function unusable(name: string, why: string, url: URL): RemoteError {
  return new RemoteError(`the variable ${name} ${why}`, {
    kind: 'proxy',
    endpoint: shownUrl(url),
    retryable: false,
    hint: `Set ${name} to http://host:port or https://host:port, or add the server to NO_PROXY.`,
  });
}

/** Value of `Proxy-Authorization` for the credentials in the proxy's URL. */
export function proxyAuthorization(proxy: URL): string | undefined {
  if (proxy.username === '' && proxy.password === '') return undefined;
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}
