import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createMasker } from '../../src/logs/index.ts';
import { dumps, forms, wrappedForms } from '../support/secret-forms.ts';

const secrets = [
  'hunter2hunter',
  `p@ss "wo'rd"/1$x<ä>&\\end`,
  'пароль-ключ',
  '😀🔑 unlock me',
  'a.*(b)[c]{2}|^$?+end',
  'stars***within',
  '100%20 sure+1',
  String.raw`C:\new\temp\u0041`,
  'tok_-_/+==abcd',
];

describe('createMasker', () => {
  it.each(Object.entries({ ...forms, ...wrappedForms, ...dumps }))('hides a secret %s', (_name, form) => {
    for (const secret of secrets) {
      const masker = createMasker([secret], 4);
      // U+00B7 is no part of any form, so that it shows where the mask begins and ends.
      for (const [before, after] of [
        ['··', '··'],
        ['password=· ', ' · done'],
        ['', ''],
      ]) {
        const text = `${before}${form(secret)}${after}`;
        expect.soft([text, masker.mask(text)]).toEqual([text, `${before}***${after}`]);
      }
    }
  });

  it.each([
    ['a backslash', '\\'],
    ['the end of a line in JSON', String.raw`\n`],
    ['a percent sign', '%'],
    ['the beginning of an entity', '&'],
    ['a colour', '\u001B[31m'],
    ['half a colour', '\u001B['],
    ['a letter', 'x'],
  ])('is not led astray by %s before a secret', (_name, before) => {
    for (const secret of ['nice-secret', 'u0041-then-more', '41deadbeef', 'amp;secret', 'abcd']) {
      expect(createMasker([secret], 4).mask(`${before}${secret} rest`)).toBe(`${before}*** rest`);
    }
  });

  it('hides every line of a key, and all of it whatever white space is in it', () => {
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const masker = createMasker([privateKey], 4);
    const [begin, ...rest] = privateKey.trim().split('\n');
    const end = rest.pop();
    for (const line of rest) if (line.length >= 4) expect(masker.mask(`key: ${line};`)).toBe('key: ***;');
    const body = rest.join('');
    for (const shown of [
      rest.join('\n'),
      rest.join('\r\n    '),
      rest.join(' '),
      rest.join(String.raw`\n`),
      rest.join(String.raw`\\n`),
      body,
      body.replaceAll(/.{76}(?=.)/g, '$&\n'),
      body.replaceAll(/.{7}(?=.)/g, '$&\t\n '),
      body.replaceAll(/.{20}(?=.)/g, '$&\u001B[32m'),
    ]) {
      expect(masker.mask(`${begin}\n${shown}\n${end}`)).toMatch(/^-----BEGIN[^]*\n\*\*\*(\\\\n\*\*\*)*\n-----END[^]*$/);
    }
    const encoded = Buffer.from(privateKey.trim()).toString('base64');
    expect(masker.mask(encoded)).toBe('***');
    expect(masker.mask(encoded.replaceAll(/.{76}(?=.)/g, '$&\n'))).toBe('***');
  });

  it('hides the password in an authorization header', () => {
    for (const user of ['a', 'ab', 'abc', 'abcd']) {
      const header = Buffer.from(`${user}:s3cr3t-pass`).toString('base64');
      const masked = createMasker(['s3cr3t-pass'], 4).mask(`Authorization: Basic ${header}`);
      const left = masked.slice('Authorization: Basic '.length).split('***')[0] ?? '';
      expect(header.startsWith(left)).toBe(true);
      expect(Buffer.from(left, 'base64').toString('latin1')).not.toContain(':s');
    }
  });

  it.each([
    ['beside each other', ['abcd', 'efgh'], '-abcdefgh-', '-***-'],
    ['within each other', ['abcd', 'xabcdy'], '-xabcdy-abcd-', '-***-***-'],
    ['overlapping', ['abcdef', 'defghi'], '-abcdefghi-', '-***-'],
    ['overlapping themselves', ['abab'], '-ababab-abab-aba-', '-***-***-aba-'],
    ['a run of one character', ['aaaa'], `-${'a'.repeat(4099)}-aaa-`, '-***-aaa-'],
  ])('hides all of secrets that are %s', (_name, given, text, masked) => {
    expect(createMasker(given, 4).mask(text)).toBe(masked);
  });

  it('leaves everything else alone, to the byte', () => {
    const masker = createMasker(['secret-value', '12345678'], 4);
    for (const text of [
      '100 %',
      'secret value',
      '12 34 56 78',
      'a\u0000\u001B[1m\uD800b',
      'secret-valu',
      'Secret-Value',
      '',
    ]) {
      expect(masker.mask(text)).toBe(text);
    }
    expect(masker.mask('\uD800 secret-value \uDC00')).toBe('\uD800 *** \uDC00');
  });

  it.each([
    ['short', ['', ' ', '1', 'no', 'abc']],
    ['common', ['true', 'FALSE', 'null', ' none\n', 'default', 'root', 'localhost']],
    ['rulers', ['----', '********', '      ', '====']],
  ])('leaves %s values alone', (_name, given) => {
    const text = `-------- ${given.join(' ')} ********`;
    expect(createMasker([...given, 'other-secret'], 4).mask(text)).toBe(text);
  });

  it('takes the length that is configured', () => {
    expect(createMasker(['a1'], 2).mask('xa1x')).toBe('x***x');
    expect(createMasker(['abcdef'], 7).mask('abcdef')).toBe('abcdef');
  });

  it('hides what has hardly a letter', () => {
    for (const secret of [`'"\\'`, '++--', '$$::', `"''"`, '%%%5', String.raw`\\\\"`]) {
      expect([secret, createMasker([secret], 4).mask(`a${secret}b`)]).toEqual([secret, 'a***b']);
      const json = JSON.stringify(secret).slice(1, -1);
      expect([json, createMasker([secret], 4).mask(`a${json}b`)]).toEqual([json, 'a***b']);
    }
  });

  it('tells where a secret may go on behind the end', () => {
    const masker = createMasker(['wrapped-secret-value'], 4);
    const at = (text: string) => masker.unfinished(Buffer.from(text));
    expect(at('x wrapped-sec\n')).toBe(2);
    expect(at('x wrapped-sec\n   ')).toBe(2);
    expect(at('x wrapped-sec\nother\n')).toBe(20);
    expect(at('x wrapped-secret-value\n')).toBe(23);
    expect(at('x wra\n')).toBe(6);
  });
});
