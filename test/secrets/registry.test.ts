import { describe, expect, it } from 'vitest';
import { SecretRegistry } from '../../src/secrets/index.ts';

function registry(minLength = 3): SecretRegistry {
  return new SecretRegistry({ minLength });
}

describe('SecretRegistry', () => {
  it('collects each value once, in the order it came', () => {
    const secrets = registry();
    for (const value of ['beta', 'alpha', 'beta']) secrets.add(value);
    expect(secrets.values()).toEqual(['beta', 'alpha']);
    expect(secrets.size).toBe(2);
  });

  it('collects a key as a whole and line by line, without the lines that every key has', () => {
    const secrets = registry();
    const key = '-----BEGIN OPENSSH PRIVATE KEY-----\r\nb3BlbnNz\r\naC1rZXkt\r\n-----END OPENSSH PRIVATE KEY-----\r\n';
    secrets.add(key);
    expect(secrets.values()).toEqual([key, 'b3BlbnNz', 'aC1rZXkt']);
  });

  it('leaves out the short lines of a long value', () => {
    const secrets = registry(4);
    secrets.add('long enough\nno\nfine');
    expect(secrets.values()).toEqual(['long enough\nno\nfine', 'long enough', 'fine']);
    expect(secrets.leftOut).toBe(0);
  });

  it('counts the values that are too short or too common, once each, and ignores empty ones', () => {
    const secrets = registry(4);
    for (const value of ['', '   ', '\n', 'abc', '1', '1', 'true', 'Localhost', '-----']) secrets.add(value);
    expect(secrets.values()).toEqual([]);
    expect(secrets.leftOut).toBe(5);
  });

  it('tells listeners what is new, until they have had enough', () => {
    const secrets = registry();
    secrets.add('before');
    const heard: string[] = [];
    const stop = secrets.onAdd((value) => heard.push(value));
    secrets.add('before');
    secrets.add('one\ntwo');
    stop();
    secrets.add('after');
    expect(heard).toEqual(['one\ntwo', 'one', 'two']);
  });
});
