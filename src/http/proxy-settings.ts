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
  const full = withScheme(value);
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
  const credentials = `${decoded(proxy.username)}:${decoded(proxy.password)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}

/** The passwords in the URLs of proxies, in the forms in which they could get into a log. */
export function proxySecrets(env: Environment): string[] {
  return ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'].flatMap((name) => {
    const setting = lookup(env, name);
    return setting === undefined ? [] : urlSecrets(withScheme(setting.value));
  });
}

/** The password in a URL: as it is written there, as it is meant, and as a header carries it. */
export function urlSecrets(text: string): string[] {
  if (!URL.canParse(text)) return [];
  const url = new URL(text);
  if (url.password === '') return [];
  const basic = proxyAuthorization(url)?.slice('Basic '.length) ?? '';
  return [...new Set([url.password, decoded(url.password), basic])];
}

/** A lone percent sign stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** "proxy.example.com:3128" is commonly written, and means http. */
function withScheme(value: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
}
