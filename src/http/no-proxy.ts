import { BlockList, isIP } from 'node:net';

/**
 * Does `NO_PROXY` cover this host? The rules of Go's clients, which the servers' users know: entries are separated by commas or
 * spaces; `*` covers all; `example.com` covers itself and its subdomains, `.example.com` and `*.example.com` its subdomains only;
 * IP addresses and CIDR blocks cover addresses written as such (names are not looked up); an entry with `:port` covers that port
 * only. `localhost` and loopback addresses never go through a proxy, which could not reach them anyway.
 */
export function bypassesProxy(url: URL, noProxy: string): boolean {
  const host = bareHost(url.hostname);
  if (host === 'localhost' || isLoopback(host)) return true;
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => covers(entry.toLowerCase(), host, port));
}

function covers(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const family = isIP(host);
  if (entry.includes('/')) return family !== 0 && inBlock(entry, host, family);
  const { name, onlyPort } = splitPort(entry);
  if (onlyPort !== undefined && onlyPort !== port) return false;
  if (isIP(name)) return family !== 0 && sameAddress(name, host);
  if (family !== 0) return false;
  const suffix = name.replace(/^\*\./, '.');
  if (suffix.startsWith('.')) return host.endsWith(suffix);
  return host === suffix || host.endsWith(`.${suffix}`);
}

/** `host:port`, `[v6]:port`, `[v6]`, `v6` or `host`. */
function splitPort(entry: string): { name: string; onlyPort: string | undefined } {
  const [, v6, v6Port] = /^\[([^\]]+)\](?::(\d+))?$/.exec(entry) ?? [];
  if (v6 !== undefined) return { name: v6, onlyPort: v6Port };
  const [, name, port] = /^([^:]+):(\d+)$/.exec(entry) ?? [];
  return name === undefined ? { name: bareHost(entry), onlyPort: undefined } : { name: bareHost(name), onlyPort: port };
}

function inBlock(entry: string, host: string, family: number): boolean {
  const [, network = '', bits = ''] = /^([^/]+)\/(\d+)$/.exec(entry) ?? [];
  const width = isIP(network) === 6 ? 128 : 32;
  if (isIP(network) === 0 || Number(bits) > width) return false;
  const block = new BlockList();
  block.addSubnet(network, Number(bits), isIP(network) === 6 ? 'ipv6' : 'ipv4');
  return block.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Equal as addresses: `::1` and `0:0:0:0:0:0:0:1` are. */
function sameAddress(a: string, b: string): boolean {
  const block = new BlockList();
  block.addAddress(a, isIP(a) === 6 ? 'ipv6' : 'ipv4');
  return block.check(b, isIP(b) === 6 ? 'ipv6' : 'ipv4');
}

function isLoopback(host: string): boolean {
  return (isIP(host) === 4 && host.startsWith('127.')) || (isIP(host) === 6 && sameAddress('::1', host));
}

/** Without the brackets of an IPv6 literal and the dot of a fully qualified name. */
function bareHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
