import { describe, expect, it } from 'vitest';
import { bypassesProxy } from '../../src/http/no-proxy.ts';

describe('NO_PROXY', () => {
  it.each([
    ['*', 'https://anything.example.com', true],
    ['', 'https://a.example.com', false],
    [' , ,', 'https://a.example.com', false],
    // names
    ['example.com', 'https://example.com', true],
    ['example.com', 'https://a.b.example.com', true],
    ['example.com', 'https://notexample.com', false],
    ['EXAMPLE.com', 'https://A.Example.COM', true],
    ['example.com', 'https://example.com.', true],
    ['example.com.', 'https://a.example.com', true],
    ['.example.com', 'https://a.example.com', true],
    ['.example.com', 'https://example.com', false],
    ['*.example.com', 'https://a.example.com', true],
    ['*.example.com', 'https://example.com', false],
    ['a.test other.test', 'https://other.test', true],
    ['a.test,\tother.test', 'https://other.test', true],
    ['example.com', 'https://10.0.0.1', false],
    // ports
    ['example.com:8443', 'https://example.com:8443', true],
    ['example.com:8443', 'https://example.com', false],
    ['example.com:443', 'https://example.com', true],
    ['example.com:80', 'http://example.com', true],
    ['.example.com:443', 'https://a.example.com', true],
    // addresses
    ['10.0.0.1', 'http://10.0.0.1', true],
    ['10.0.0.1', 'http://10.0.0.11', false],
    ['10.0.0.1:3000', 'http://10.0.0.1:3000', true],
    ['10.0.0.1:3000', 'http://10.0.0.1:3001', false],
    ['0.0.1', 'http://10.0.0.1', false],
    ['2001:db8::1', 'http://[2001:db8:0:0::1]:3000', true],
    ['[2001:db8::1]', 'http://[2001:db8::1]', true],
    ['[2001:db8::1]:3000', 'http://[2001:db8::1]:3000', true],
    ['[2001:db8::1]:3000', 'http://[2001:db8::1]', false],
    ['2001:db8::2', 'http://[2001:db8::1]', false],
    // blocks
    ['10.0.0.0/8', 'http://10.250.1.2', true],
    ['10.0.0.0/8', 'http://11.0.0.1', false],
    ['2001:db8::/32', 'http://[2001:db8:ffff::1]', true],
    ['2001:db8::/32', 'http://[2001:db9::1]', false],
    ['10.0.0.0/8', 'http://[2001:db8::1]', false],
    ['10.0.0.0/8', 'http://ten.example.com', false],
    ['10.0.0.0/99', 'http://10.0.0.1', false],
    ['nonsense/8', 'http://10.0.0.1', false],
    // loopback needs no entry
    ['', 'http://localhost:3000', true],
    ['', 'http://127.0.0.1:3000', true],
    ['', 'http://127.9.9.9', true],
    ['', 'http://[::1]:3000', true],
  ])('%j for %s: %s', (noProxy, url, expected) => {
    expect(bypassesProxy(new URL(url), noProxy)).toBe(expected);
  });
});
