import { describe, expect, it } from 'vitest';
import { createMasker } from '../../src/logs/index.ts';

describe('createMasker', () => {
  it('hides a secret as it is, in base64, URL-encoded and escaped for JSON', () => {
    const secret = 'p@ss "word"/1';
    const text = [
      secret,
      Buffer.from(secret).toString('base64'),
      encodeURIComponent(secret),
      JSON.stringify(secret),
    ].join(' | ');
    expect(createMasker([secret], 4).mask(text)).toBe('*** | *** | *** | "***"');
  });

  it('prefers the longest of overlapping secrets', () => {
    expect(createMasker(['abcd', 'abcdef'], 4).mask('abcdef abcd')).toBe('*** ***');
  });

  it('leaves short values and everything else alone', () => {
    expect(createMasker(['no', '', 'secret'], 4).mask('no secret here: 100 %')).toBe('no *** here: 100 %');
  });

  it('treats characters of regular expressions as text', () => {
    expect(createMasker(['a.*(b)[c]'], 4).mask('axxb a.*(b)[c]')).toBe('axxb ***');
  });
});
