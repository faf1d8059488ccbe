import { describe, expect, it } from 'vitest';
import { loadServeOptions, serveKeyTable } from '../../src/config/index.ts';
import { ConfigError, UserError } from '../../src/lib/index.ts';

const load = (flags: Record<string, string | string[]> = {}, secret = 's') =>
  loadServeOptions(
    new Map(
      Object.entries({ ...(secret === '' ? {} : { 'auth-token-secret': secret }), ...flags }).map(
        ([name, value]) => [name, [value].flat()] as const,
      ),
    ),
  );

function failure(flags: Record<string, string>, secret = 's'): { message: string; fatal: boolean } {
  try {
    load(flags, secret);
  } catch (error: unknown) {
    if (error instanceof UserError) return { message: error.message, fatal: error instanceof ConfigError };
  }
  throw new Error('not refused');
}

describe('the options of agent serve', () => {
  it('have the defaults of the original', () => {
    expect(load()).toEqual({
      authTokenSecret: 's',
      host: '0.0.0.0',
      port: 8000,
      tls: { certPath: 'server.crt', keyPath: 'server.key', selfSigned: false },
      statsd: undefined,
      callbackAttempts: 300,
      preJobHookPath: '',
      files: [],
      exposeKvmDevice: true,
      maskJobSecrets: false,
    });
  });

  it('are all read', () => {
    const flags = {
      'auth-token-secret': 'TzRVcspTmxhM9fUkdi1T/0kVXNETCi8UdZ8dLM8va4E',
      port: '30000',
      host: '127.0.0.1',
      'tls-cert-path': '/c',
      'tls-key-path': '/k',
      'self-signed': 'true',
      'statsd-host': 'h',
      'statsd-port': '8125',
      'statsd-namespace': 'n',
      'callback-retry-attempts': '7',
      'pre-job-hook-path': '/h',
      files: ['/a:/b', '/c:/d'],
      'expose-kvm-device': 'false',
      'mask-job-secrets': '1',
    };
    expect(Object.keys(flags)).toEqual(serveKeyTable().map(({ name }) => name));
    expect(load(flags)).toEqual({
      authTokenSecret: 'TzRVcspTmxhM9fUkdi1T/0kVXNETCi8UdZ8dLM8va4E',
      host: '127.0.0.1',
      port: 30_000,
      tls: { certPath: '/c', keyPath: '/k', selfSigned: true },
      statsd: { host: 'h', port: '8125', namespace: 'n' },
      callbackAttempts: 7,
      preJobHookPath: '/h',
      files: [
        { hostPath: '/a', destination: '/b' },
        { hostPath: '/c', destination: '/d' },
      ],
      exposeKvmDevice: false,
      maskJobSecrets: true,
    });
  });

  it('need a secret', () => {
    expect(failure({}, '')).toEqual({ message: 'Auth token is empty', fatal: true });
  });

  it('send metrics only with host and port', () => {
    expect(load({ 'statsd-host': 'h' }).statsd).toBeUndefined();
    expect(load({ 'statsd-port': '1' }).statsd).toBeUndefined();
  });

  it('take no attempt for 300', () => {
    expect(load({ 'callback-retry-attempts': '0' }).callbackAttempts).toBe(300);
  });

  it.each([
    ['port', 'x', 'invalid argument "x" for --port: expected a whole number from 0 to 65535'],
    ['port', '65536', 'invalid argument "65536" for --port: expected a whole number from 0 to 65535'],
    ['expose-kvm-device', 'no', 'invalid argument "no" for --expose-kvm-device: expected true or false'],
  ])('are refused as wrong usage: %s %s', (name, value, message) => {
    expect(failure({ [name]: value })).toEqual({ message, fatal: false });
  });

  it('are refused as configuration: files', () => {
    expect(failure({ files: 'a' })).toMatchObject({ fatal: true });
  });
});
