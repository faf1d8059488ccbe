import dns from 'node:dns';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createRouter, createTransport, json, listen, type TransportOptions } from '../../src/http/index.ts';
import { networkFailure } from '../../src/http/network-failure.ts';
import { RemoteError } from '../../src/lib/index.ts';
import { serverUrl } from '../../src/protocol/ui/endpoint.ts';
import { needs } from '../support/tools.ts';
import { type Certificates, makeCertificates } from './certificates.ts';
import { closeServers, serveHttp, serveTcp } from './servers.ts';

async function get(url: string, options: Partial<TransportOptions> = {}): Promise<string> {
  const transport = await createTransport({ env: {}, ...options });
  try {
    const request = { method: 'GET' as const, url, headers: {}, timeoutMs: 20_000, maxResponseBytes: 1000 };
    return (await transport.request(request)).body.toString();
  } finally {
    transport.close();
  }
}

/** The resolver's answer for every name, where the machine's own cannot be told what to say. */
function resolveTo(...addresses: { address: string; family: number }[]): void {
  const lookup = (_name: string, options: unknown, callback: (...answer: unknown[]) => void): void => {
    const all = typeof options === 'object' && options !== null && 'all' in options && options.all === true;
    if (all) callback(null, addresses);
    else callback(null, addresses[0]?.address, addresses[0]?.family);
  };
  vi.spyOn(dns, 'lookup').mockImplementation(lookup as typeof dns.lookup);
}

const hasIpv6 = await serveHttp(() => undefined, undefined, '::1').then(
  () => true,
  () => false,
);
await closeServers();

afterEach(async () => {
  vi.restoreAllMocks();
  await closeServers();
});

describe.runIf(hasIpv6)('IPv6', () => {
  it('is spoken to a server whose URL is a bare address, which our own server listens on, too', async () => {
    const router = createRouter();
    router.route('GET', '/api/ping', () => json('pong'));
    const listener = await listen({ host: '::1', port: 0, router });
    expect(listener.url).toBe(`http://[::1]:${listener.port}`);
    expect(await get(serverUrl(`${listener.url}/`, '/api/ping'))).toBe('"pong"');
    await listener.close();
  });

  it('names such a server in its failures as it is written in a URL', async () => {
    const { port } = await serveHttp(() => undefined, undefined, '::1');
    await closeServers();
    await expect(get(`http://[::1]:${port}/`)).rejects.toMatchObject({
      message: `cannot connect to [::1]:${port}: the connection was refused`,
    });
  });

  it('and IPv4 are both tried, in whatever order they are answered', async () => {
    const six = { address: '::1', family: 6 };
    const four = { address: '127.0.0.1', family: 4 };
    const onSix = await serveHttp((_request, response) => response.end('six'), undefined, '::1');
    const onFour = await serveHttp((_request, response) => response.end('four'));
    for (const order of [
      [six, four],
      [four, six],
    ]) {
      resolveTo(...order);
      expect(await get(`http://dual.test:${onSix.port}/`)).toBe('six');
      expect(await get(`http://dual.test:${onFour.port}/`)).toBe('four');
    }
    await closeServers();
    await expect(get(`http://dual.test:${onSix.port}/`)).rejects.toMatchObject({
      kind: 'network',
      message: `cannot connect to dual.test:${onSix.port}: the connection was refused`,
    });
  });

  it('whose packets are dropped does not keep IPv4 from being reached', async () => {
    const { port } = await serveHttp((_request, response) => response.end('four'));
    // An address of the range for documentation: nothing answers there, or there is no way to it.
    resolveTo({ address: '2001:db8::1', family: 6 }, { address: '127.0.0.1', family: 4 });
    expect(await get(`http://dual.test:${port}/`)).toBe('four');
  });
});

describe.runIf(hasIpv6 && needs('openssl'))('a certificate for an IPv6 address', () => {
  let directory: string;
  let zoo: Certificates;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'semaphore-six-'));
    zoo = makeCertificates(directory);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('is checked against it', async () => {
    const right = await serveHttp((_request, response) => response.end('six'), zoo.good, '::1');
    expect(await get(`https://[::1]:${right.port}/`, { caFile: zoo.caFile })).toBe('six');
    const wrong = await serveHttp((_request, response) => response.end(), zoo.wrongName, '::1');
    await expect(get(`https://[::1]:${wrong.port}/`, { caFile: zoo.caFile })).rejects.toMatchObject({
      kind: 'tls',
      message: `the certificate of [::1]:${wrong.port} is for another name: another.test`,
    });
  });
});

describe('a name', () => {
  it.each([
    ['ENOTFOUND', 'there is no such host name', 'spelling'],
    ['EAI_AGAIN', 'its name cannot be resolved at the moment', 'No DNS server answers'],
    ['EAI_FAIL', 'its name cannot be resolved at the moment', 'No DNS server answers'],
  ])('for which the resolver says %s', async (code, text, hint) => {
    vi.spyOn(dns, 'lookup').mockImplementation(((_name: string, _options: unknown, callback: (e: Error) => void) => {
      callback(Object.assign(new Error(`getaddrinfo ${code} gone.test`), { code }));
    }) as typeof dns.lookup);
    await expect(get('http://gone.test/')).rejects.toMatchObject({
      kind: 'network',
      retryable: true,
      message: `cannot connect to gone.test:80: ${text}`,
      hint: expect.stringContaining(hint),
    });
  });

  it('that leads nowhere says so, also when the network is down', () => {
    for (const code of ['EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN']) {
      const error = networkFailure(Object.assign(new Error('connect'), { code }), {
        endpoint: 'GET http://a.test/',
        url: new URL('http://a.test/'),
        proxy: undefined,
        timeoutMs: 1000,
        clientCertificate: false,
      });
      expect(error).toBeInstanceOf(RemoteError);
      expect(error.message).toBe('cannot connect to a.test:80: no route to it');
    }
  });

  it('of a server that does not take connections in time', async () => {
    const { url } = await serveTcp(() => undefined);
    const transport = await createTransport({ env: {} });
    const request = { method: 'GET' as const, url, headers: {}, timeoutMs: 100, maxResponseBytes: 10 };
    await expect(transport.request(request)).rejects.toMatchObject({ kind: 'timeout', hint: expect.any(String) });
    transport.close();
  });
});
